"""Whom an exported AuditEvent names as the one who asked."""

import json
from typing import Any

import pytest

from cds_service.governance.fhir import audit_event
from cds_service.storage.chain import START, Link
from tests.service.stored import assessment, entry, moment

SHOWN = assessment()


@pytest.mark.parametrize(
    ("kind", "subject", "who"),
    [
        ("assessed", SHOWN, {"reference": "Practitioner/d1"}),
        ("assessed", SHOWN | {"user_id": None}, {"display": "client north"}),
        ("feedback", entry(SHOWN), {"display": "client north"}),
        ("feedback", entry(SHOWN, user_id="Practitioner/7"), {"reference": "Practitioner/7"}),
        ("feedback", entry(SHOWN, user_id="x y"), {"identifier": {"value": "x y"}}),
        ("purged", None, {"display": "operator"}),
        ("feedback", None, {"display": "client north"}),
    ],
)
def test_who_asked_is_named_as_far_as_it_is_known(
    kind: str, subject: dict[str, Any] | None, who: dict[str, Any]
) -> None:
    link = Link("north", 1, moment(0), kind, "subject", "d" * 64, START)
    (requestor,) = [
        each["who"] for each in json.loads(audit_event(link, subject))["agent"] if each["requestor"]
    ]
    assert requestor == who
