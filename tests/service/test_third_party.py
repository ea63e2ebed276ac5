"""Requests and answers that others published: what the service says to theirs, what our schemas say of theirs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.patients import Json, serving
from tests.service.test_cds_hooks_wire import DISCOVERY, RESPONSE
from tests.service.trained import SHIPPED, critical_bundle

pytestmark = pytest.mark.data
KIT = Path("cds-hooks-crd") / "davinci-crd-test-kit" / "spec" / "fixtures"
GUIDE = Path("cds-hooks-crd") / "davinci-crd-ig" / "input" / "resources"
SERVICES = ("readmission-risk", "critical-outcome")
NO_PREFETCH = (412, "prefetch.patient")
ANSWERS: dict[str, dict[str, tuple[int, str]]] = {
    "encounter_discharge": {"readmission-risk": NO_PREFETCH, "critical-outcome": (400, "hook")},
    "encounter_start": {"readmission-risk": (400, "hook"), "critical-outcome": NO_PREFETCH},
}
"""Requests without prefetch, of a FHIR server that this service was not told to read."""
FAULTS = {
    "CRDServiceResponse.json": ["systemActions.0"],
    "CRDServiceResponse2.json": [],
    "CRDServiceResponse3.json": ["systemActions.0"],
    "crd_authorization_hook_response.json": [],
}
"""Published answers, and where they lack the description that an action must have."""


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def faults(answer: Json) -> list[str]:
    return [".".join(map(str, each.instance_path)) for each in RESPONSE.iter_errors(answer)]


async def test_every_published_request_gets_a_designed_answer(
    data_dir: Path, tmp_path: Path
) -> None:
    folders = (SHIPPED, critical_bundle(tmp_path / "critical"))
    bundles = dict(zip(SERVICES, folders, strict=True))
    requests = sorted((data_dir / KIT).glob("*_hook_request.json"))
    requests += sorted((data_dir / GUIDE).glob("CRDServiceRequest*.json"))
    assert len(requests) == 11
    async with serving(tmp_path, bundles=bundles, critical_outcome=True) as http:
        for path in requests:
            designed = ANSWERS.get(path.name.removesuffix("_hook_request.json"), {})
            for service in SERVICES:
                answer = await http.post(f"/cds-services/{service}", content=path.read_bytes())
                said = answer.json()["issue"][0]["diagnostics"].partition(": ")[0]
                assert (answer.status_code, said) == designed.get(service, (400, "hook")), path.name


def test_published_cards_are_valid_by_our_schema(data_dir: Path) -> None:
    cards = read(data_dir / KIT / "valid_cards.json")
    assert len(cards) == 7
    for card in cards:
        RESPONSE.validate({"cards": [card]})


@pytest.mark.parametrize("name", FAULTS)
def test_published_answers_are_valid_but_for_their_faults(name: str, data_dir: Path) -> None:
    folder = GUIDE if name.startswith("CRD") else KIT
    answer = read(data_dir / folder / name)
    assert faults(answer) == FAULTS[name]


def test_a_published_discovery_is_valid_by_our_schema(data_dir: Path) -> None:
    DISCOVERY.validate(read(data_dir / GUIDE / "CRDServices.json"))
