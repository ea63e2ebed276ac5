"""Rows as the service writes them, short enough to read; and how a database is opened in tests."""

import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from pydantic import SecretStr

from cds_service.storage.store import Store
from cds_service.storage.vault import Vault

KEY = "c3RvcmFnZS1rZXktb2YtdGhlLXRlc3RzLTAxMjM0NTY="
SERVICE = "readmission-risk"
START = datetime(2026, 11, 21, 12, tzinfo=UTC)
CONTENTS: dict[str, Any] = {"values": [], "evidence": [], "sources": {}, "issues": [], "card": None}
_numbers = count(1)


def opened(url: str, *keys: str) -> Store:
    """The store with the tests' storage key, or with these."""
    return Store(url, Vault([SecretStr(key) for key in keys or (KEY,)]))


def new_uuid() -> str:
    return str(uuid.uuid4())


def moment(minutes: float = 0) -> datetime:
    return START + timedelta(minutes=minutes)


def assessment(tenant: str = "north", **columns: Any) -> dict[str, Any]:
    """One scored assessment that showed its card first."""
    number = next(_numbers)
    return {
        "uuid": new_uuid(),
        "tenant": tenant,
        "created_at": moment(number),
        "hook": "encounter-discharge",
        "hook_instance": new_uuid(),
        "service_id": SERVICE,
        "user_id": "Practitioner/d1",
        "fhir_server": None,
        "patient_id": f"patient-{number}",
        "encounter_id": f"stay-{number}",
        "card_uuid": new_uuid(),
        "first_showing": True,
        "silent": False,
        "alerted": False,
        "threshold": 0.3,
        "outcome": "scored",
        "reason": None,
        "probability": 0.1849,
        "lace_points": 11,
        "hospital_points": 5,
        "known_inputs": 80,
        "timing": "at_discharge",
        "prediction_time": moment(-600),
        "profile": "us_core",
        "bundle_digest": "b" * 64,
        "mapping_digest": "c" * 64,
        "vector_digest": "d" * 64,
        "duration_ms": 12.25,
    } | columns


def entry(shown: dict[str, Any], **columns: Any) -> dict[str, Any]:
    """Feedback on the card of an assessment."""
    return {
        "uuid": new_uuid(),
        "tenant": shown["tenant"],
        "received_at": shown["created_at"] + timedelta(minutes=5),
        "service_id": shown["service_id"],
        "card_uuid": shown["card_uuid"],
        "assessment_uuid": shown["uuid"],
        "outcome": "overridden",
        "accepted_suggestions": None,
        "reason_system": "https://example.org/reasons",
        "reason_code": "not-now",
        "commented": False,
        "outcome_at": shown["created_at"],
        "user_id": None,
    } | columns


async def add(store: Store, tenant: str = "north", **columns: Any) -> dict[str, Any]:
    """Write one assessment, after the one that the stay has; the row as it was given."""
    row = assessment(tenant, **columns)
    stay = {name: row[name] for name in ("service_id", "fhir_server", "patient_id", "encounter_id")}
    earlier = await store.shown(tenant, **stay)
    after = earlier.row["uuid"] if earlier else None
    assert await store.add_assessment(row, CONTENTS, after=after)
    return row


async def comment(store: Store, shown: dict[str, Any], text: str = "seen") -> dict[str, Any]:
    """Write feedback with a comment; the row as it was given."""
    row = entry(shown, commented=True)
    await store.add_feedback([row], {row["uuid"]: text})
    return row
