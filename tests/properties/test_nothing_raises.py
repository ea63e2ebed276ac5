"""Whatever is sent: an answer or a PatientError, quickly, and never another exception."""

import json
from time import perf_counter

from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.errors import PatientError
from tests.properties.answering import answer_of
from tests.properties.damage import damaged
from tests.properties.records import SEEDS, Record, Resource, records
from tests.properties.test_what_holds import check_evidence, check_value, check_windows

FUZZ = settings.get_profile("fuzz")
TEXTS = st.text(max_size=60) | st.sampled_from(
    ("9" * 5000, "10*999999999", "no " * 2000, "1-" * 99)
)
SECONDS = 5.0
"""Far above what a record takes (milliseconds), far below what a hang takes."""


@FUZZ
@given(records(), SEEDS, st.integers(1, 40))
def test_damaged_resources(record: Record, seed: int, times: int) -> None:
    started = perf_counter()
    try:
        answer = answer_of(damaged(record.resources, seed, times), record)
    except PatientError:
        return
    assert perf_counter() - started < SECONDS
    if answer:
        for feature in CATALOGUE:
            check_value(feature, answer.vector[feature.name])
        check_windows(answer.vector)


@FUZZ
@given(records(), st.lists(st.binary(max_size=80), max_size=10))
def test_bytes_that_are_no_resources(record: Record, noise: list[bytes]) -> None:
    raw = [json.dumps(each).encode() for each in record.resources]
    answer = answer_of([*raw, *noise], record)
    assert answer is not None
    check_evidence(answer.vector, record)


@FUZZ
@given(records(), TEXTS, TEXTS)
def test_any_text_as_unit_as_complaint_and_as_code(record: Record, unit: str, words: str) -> None:
    times = {"status": "final", "effectiveDateTime": "2026-03-10T14:31:00Z", "id": "odd"}
    about = {"resourceType": "Observation", "subject": {"reference": "Patient/p"}} | times
    quantity = {"value": 8.5, "code": unit, "unit": words}
    odd: list[Resource] = [
        about | {"code": _code("718-7"), "valueQuantity": quantity},
        about | {"code": _code("59408-5"), "valueQuantity": quantity, "id": "odder"},
        about | {"code": _code("8661-1"), "valueString": words, "id": "said"},
        about | {"code": _code("72514-3"), "valueString": words, "id": "felt"},
        about | _procedure(unit) | {"id": "done"},
    ]
    sent = record.but([*record.resources, *odd])
    answer = answer_of([json.dumps(each).encode() for each in sent.resources], sent)
    assert answer is not None
    check_evidence(answer.vector, sent)


def _procedure(code: str) -> dict[str, object]:
    coding = {"system": "http://www.ama-assn.org/go/cpt", "code": code}
    return {"resourceType": "Procedure", "status": "completed", "code": {"coding": [coding]}}


def _code(loinc: str) -> dict[str, object]:
    return {"coding": [{"system": "http://loinc.org", "code": loinc}]}
