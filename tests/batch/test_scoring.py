"""Which stays of a record are assessed, and what a line that cannot be decoded takes away."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from cds_service.assessment import Assessment, Assessor, NotScored, Scored
from cds_service.batch.job import Job
from cds_service.batch.scoring import Choice, Record, assess_records
from fhir_mapping.support import Support
from tests.conftest import ROOT
from tests.service.requests import now

PATIENT = "margaret-heart-failure-patient-1"
MARGARET = ROOT / "examples" / "patients" / "margaret-heart-failure.json"


@pytest.fixture
def assessor(job: Job) -> Assessor:
    return job.assessor


@pytest.fixture
def raws() -> list[bytes]:
    entries = json.loads(MARGARET.read_bytes())["entry"]
    return [json.dumps(each["resource"]).encode() for each in entries]


def assessed(
    raws: Iterable[bytes], assessor: Assessor, choice: Choice, as_of: datetime | None = None
) -> list[Assessment]:
    sources: dict[str, Any] = {each.resource_type: "read" for each in assessor.asked}
    record = Record(PATIENT, list(raws), sources)
    found = assess_records([record], choice, as_of or now(), support=Support(()), assessor=assessor)
    return [each.assessment for each in found]


def ids(found: Iterable[Assessment]) -> list[str]:
    return [(each.encounter_id or "").rpartition("-")[2] for each in found]


@pytest.mark.parametrize(
    ("choice", "stays"),
    [
        (Choice(), ["1", "2", "3", "4", "5", "6", "7"]),
        (Choice("open"), []),
        (Choice(since=datetime(2026, 9, 1, tzinfo=UTC)), ["1", "7"]),
        (Choice(until=datetime(2026, 2, 1, tzinfo=UTC)), ["2", "3"]),
        (Choice(named={PATIENT: ["margaret-heart-failure-stay-4"]}), ["4"]),
        (Choice(named={"other": ["margaret-heart-failure-stay-4"]}), []),
        (Choice(since=datetime(2026, 9, 1, tzinfo=UTC), named={PATIENT: None}), ["1", "7"]),
    ],
)
def test_the_stays_that_are_chosen(
    raws: list[bytes], assessor: Assessor, choice: Choice, stays: list[str]
) -> None:
    assert ids(assessed(raws, assessor, choice)) == stays


def test_a_line_that_cannot_be_decoded_leaves_no_zero_behind(
    raws: list[bytes], assessor: Assessor
) -> None:
    """As in the hook: a diagnosis that could be read by nobody may be the one that is looked for."""
    chosen = Choice(named={PATIENT: ["margaret-heart-failure-stay-1"]})
    broken = {"resourceType": "Condition", "id": 7, "subject": {"reference": f"Patient/{PATIENT}"}}
    (whole,) = assessed(raws, assessor, chosen)
    (less,) = assessed([*raws, json.dumps(broken).encode()], assessor, chosen)
    assert whole.vector is not None
    assert less.vector is not None
    assert whole.vector["cci_dementia"] == 0.0
    assert less.vector["cci_dementia"] is None
    assert less.sources["Condition"] == "partial"


def test_without_a_patient_resource_there_is_a_reason(
    raws: list[bytes], assessor: Assessor
) -> None:
    (found,) = assessed((raw for raw in raws if b'"Patient"' not in raw), assessor, Choice())
    assert isinstance(found, NotScored)
    assert (found.encounter_id, found.reason) == (None, "patient_unknown")


def test_a_stay_is_assessed_as_of_its_end_whenever_the_run_is(
    raws: list[bytes], assessor: Assessor
) -> None:
    chosen = Choice(named={PATIENT: ["margaret-heart-failure-stay-4"]})
    (early,) = assessed(raws, assessor, chosen)
    (late,) = assessed(raws, assessor, chosen, datetime(2031, 1, 1, tzinfo=UTC))
    assert isinstance(early, Scored)
    assert isinstance(late, Scored)
    assert (early.vector.digest, early.score) == (late.vector.digest, late.score)
