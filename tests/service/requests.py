"""The shipped example requests, and what the service gathers of a request."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cds_service.hooks.call import read_call
from cds_service.records import Gathered, gather

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "requests"


def now() -> datetime:
    """The clock of the tests: some days after the examples' discharges."""
    return datetime(2026, 11, 21, 12, tzinfo=UTC)


def example(name: str) -> dict[str, Any]:
    """A fresh copy of a shipped request."""
    request: dict[str, Any] = json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))
    return request


def gathered(request: dict[str, Any]) -> Gathered:
    """What the service makes of a request's prefetch."""
    call = read_call(json.dumps(request).encode(), now())
    return gather(call.prefetch, call.patient_id, encounter_id=call.encounter_id)
