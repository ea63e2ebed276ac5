"""A patient made by hand, small enough to read: one emergency stay, one earlier one, heart failure."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from cds_service.app import create_app
from cds_service.settings import Settings

Json = dict[str, Any]
URL = "/cds-services/readmission-risk"
EXTENSION = "org.readmit.readmission"
PATIENT, STAY = "p1", "stay-1"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FAILED: Json = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "exception", "diagnostics": "timeout"}],
}
_ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PRIORITY = "http://terminology.hl7.org/CodeSystem/v3-ActPriority"
_CONDITION = "http://terminology.hl7.org/CodeSystem/condition-"


def now() -> datetime:
    return NOW


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def patient(**other: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": PATIENT,
        "gender": "female",
        "birthDate": "1948-03-09",
    } | other


def subject(patient_id: str = PATIENT) -> Json:
    return {"reference": f"Patient/{patient_id}"}


def encounter(name: str, start: str, end: str | None, *, kind: str = "IMP", **other: Any) -> Json:
    """A hospital stay, or with `kind` EMER an ED visit; in progress where `end` is None."""
    return {
        "resourceType": "Encounter",
        "id": name,
        "status": "finished" if end else "in-progress",
        "class": {"system": _ACT, "code": kind},
        "subject": subject(),
        "priority": concept(_PRIORITY, "EM"),
        "serviceType": concept("http://snomed.info/sct", "394802001"),  # general medicine
        "period": {"start": start} | ({"end": end} if end else {}),
    } | other


def observation(code: str, value: float, unit: str, when: str, **other: Any) -> Json:
    return {
        "resourceType": "Observation",
        "id": f"obs-{code}-{when[:10]}",
        "status": "final",
        "code": concept("http://loinc.org", code),
        "subject": subject(),
        "effectiveDateTime": when,
        "valueQuantity": {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        },
    } | other


def condition(code: str, **other: Any) -> Json:
    return {
        "resourceType": "Condition",
        "id": f"cond-{code}",
        "clinicalStatus": concept(f"{_CONDITION}clinical", "active"),
        "category": [concept(f"{_CONDITION}category", "problem-list-item")],
        "code": concept("http://hl7.org/fhir/sid/icd-10-cm", code),
        "subject": subject(),
        "recordedDate": "2025-02-03",
    } | other


def searchset(*resources: Json, **other: Any) -> Json:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in resources]
    return {"resourceType": "Bundle", "type": "searchset", "entry": entries} | other


def stay(**other: Any) -> Json:
    return encounter(STAY, "2026-11-10T08:00:00Z", "2026-11-16T15:00:00Z", **other)


def open_stay(name: str = STAY) -> Json:
    return encounter(name, "2026-11-17T12:00:00Z", None)


def call(index: Json | None = None, **prefetch: Any) -> Json:
    """A whole encounter-discharge request; `prefetch` replaces what a key holds."""
    index = index or stay()
    earlier = encounter("stay-0", "2026-06-01T08:00:00Z", "2026-06-04T12:00:00Z")
    visit = encounter("ed-0", "2026-09-01T08:00:00Z", "2026-09-01T12:00:00Z", kind="EMER")
    sent = {
        "patient": patient(),
        "encounter": index,
        "encounters": searchset(index, earlier, visit),
        "locations": None,
        "conditions": searchset(condition("I50.9")),
        "observations": searchset(
            observation("718-7", 10.2, "g/dL", "2026-11-15T06:00:00Z"),
            observation("2951-2", 131, "mmol/L", "2026-11-15T06:00:00Z"),
            observation("8867-4", 88, "/min", "2026-11-15T06:00:00Z"),
        ),
        "vitals": None,
        "procedures": None,
        "coverages": None,
        "medication_requests": None,
        "medication_statements": None,
        "medication_administrations": None,
        "medication_dispenses": None,
    }
    return {
        "hook": "encounter-discharge",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/d1", "patientId": PATIENT, "encounterId": STAY},
        "prefetch": sent | prefetch,
    }


def view(*encounters: Json, **prefetch: Any) -> Json:
    """A patient-view request, without encounterId: these are the encounters that were found."""
    request = call(**({"encounters": searchset(*encounters)} | prefetch))
    request["hook"] = "patient-view"
    del request["context"]["encounterId"], request["prefetch"]["encounter"]
    return request


def without(request: Json, *keys: str) -> Json:
    """The request as a client sends it that did not answer these keys."""
    for key in keys:
        del request["prefetch"][key]
    return request


def authorization(token: str, **other: Any) -> Json:
    """A fhirAuthorization with every member that CDS Hooks requires."""
    return {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "subject": "readmit",
    } | other


def database(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/test.sqlite"


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running service; an unforeseen error is answered, not raised."""
    app = create_app(
        Settings(**({"database": database(folder), "dev": True} | settings)), clock=now
    )
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield http


async def card_of(http: httpx.AsyncClient, request: Json) -> Json:
    """The one card of a call that is answered."""
    answer = await http.post(URL, json=request)
    assert answer.status_code == 200, answer.text
    (card,) = answer.json()["cards"]
    return card


def facts(card: Json) -> Json:
    """The machine-readable result on a card."""
    found: Json = card["extension"][EXTENSION]
    return found
