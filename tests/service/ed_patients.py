"""A patient in the emergency department, made by hand, and the hook calls of her visit."""

from pathlib import Path
from typing import Any

import httpx

from tests.service.patients import (
    PATIENT,
    Json,
    call,
    condition,
    encounter,
    observation,
    searchset,
)

SERVICE, VISIT = "ed-risk", "ed-1"
URL = f"/cds-services/{SERVICE}"
EXTENSION = "org.readmit.critical_outcome"
ARRIVED, LEFT = "2026-11-21T10:00:00Z", "2026-11-21T11:45:00Z"
"""Two hours before the tests' clock, and a quarter of an hour."""


def ed_visit(name: str = VISIT, start: str = ARRIVED, end: str | None = None, **other: Any) -> Json:
    """In progress where `end` is None."""
    return encounter(name, start, end, kind="EMER", **other)


def in_intensive_care(since: str) -> Json:
    """The stay that the visit led to, so far."""
    place = {"location": {"display": "Medical ICU"}, "status": "active", "period": {"start": since}}
    return encounter("stay-1", LEFT, None, location=[place])


def ed_call(visit: Json | None = None, *others: Json, **prefetch: Any) -> Json:
    """An encounter-start request; `others`: encounters that are found beside earlier ones."""
    visit = visit or ed_visit()
    earlier = encounter("stay-0", "2026-06-01T08:00:00Z", "2026-06-04T12:00:00Z")
    sent = {
        "encounters": searchset(visit, earlier, *others),
        "conditions": searchset(condition("I50.9")),
        "observations": searchset(
            observation("8867-4", 104, "/min", "2026-11-21T10:10:00Z"),
            observation("8480-6", 118, "mm[Hg]", "2026-11-21T10:10:00Z"),
            observation("8867-4", 131, "/min", "2026-11-21T11:30:00Z", id="late"),
        ),
    }
    request = call(visit, **sent | prefetch)
    context = {"userId": "Practitioner/d1", "patientId": PATIENT, "encounterId": visit["id"]}
    return request | {"hook": "encounter-start", "context": context}


def ed_view(visit: Json | None = None, *others: Json, **prefetch: Any) -> Json:
    """A patient-view request that names no encounter."""
    request = ed_call(visit, *others, **prefetch)
    del request["context"]["encounterId"], request["prefetch"]["encounter"]
    return request | {"hook": "patient-view"}


def in_ed(folder: Path, **other: Any) -> Json:
    """The settings of a service that has one bundle of the second task."""
    return {"bundles": {SERVICE: folder}, "critical_outcome": True} | other


async def ed_card(http: httpx.AsyncClient, request: Json) -> Json:
    """The one card of a call that is answered."""
    answer = await http.post(URL, json=request)
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    return card


def ed_facts(card: Json) -> Json:
    """The machine-readable result on a card."""
    found: Json = card["extension"][EXTENSION]
    return found
