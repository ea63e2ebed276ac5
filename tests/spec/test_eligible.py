"""Who is scored: adult, inpatient, alive, not transferred, not against advice, not hospice."""

from dataclasses import replace
from typing import Any

import pytest

from fhir_mapping.history import IndexStay
from fhir_mapping.outcomes import DEFAULT, eligible
from fhir_mapping.stay import index_stay
from tests.spec.record import (
    NOW,
    Resource,
    concept,
    ed_visit,
    history,
    moment,
    patient,
    stay,
)


def reason(*rows: Resource, now: str = "06-01 00:00", **switches: Any) -> str | None:
    known = history(*rows)
    found = index_stay(known, "stay", moment(now))
    assert isinstance(found, IndexStay), found
    return eligible(known, found, replace(DEFAULT, **switches))


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        pytest.param(stay(), None, id="an adult inpatient"),
        pytest.param(patient(birthDate="2006-03-10"), None, id="18 that day"),
        pytest.param(patient(birthDate="2006-03-11"), "under_18", id="18 the day after"),
        pytest.param(patient(birthDate="2006"), "under_18", id="18 within the year"),
        pytest.param(patient(birthDate="2005"), None, id="18 for certain"),
        pytest.param(patient(birthDate=None), "age_unknown", id="no birth date"),
        pytest.param(patient(birthDate="then"), "age_unknown", id="no readable birth date"),
        pytest.param(patient(birthDate="2024-03-10"), "under_18", id="born that day"),
        pytest.param(stay(admit_source="born"), "newborn", id="newborn"),
        pytest.param(stay(class_="OBSENC"), "observation_stay", id="observation"),
        pytest.param(stay(class_="SS"), None, id="same-day surgery"),
        pytest.param(stay(class_="ACUTE"), None, id="acute"),
        pytest.param(stay(class_="NONAC"), "not_acute", id="non-acute"),
        pytest.param(stay(type=[concept("snomed|305336008")]), "hospice", id="admitted to hospice"),
    ],
)
def test_the_population(row: Resource, answer: str | None) -> None:
    assert reason(row) == answer


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("home", None),
        ("snf", None),
        ("psy", None),
        ("oth", None),
        ("exp", "deceased"),
        ("hosp", "hospice"),
        ("aadvice", "against_advice"),
        ("01", None),
        ("02", "transferred"),
        ("05", "transferred"),
        ("06", None),
        ("07", "against_advice"),
        ("20", "deceased"),
        ("41", "deceased"),
        ("50", "hospice"),
        ("51", "hospice"),
        ("62", None),
        ("66", "transferred"),
        ("82", "transferred"),
        (None, None),
    ],
)
def test_by_disposition(code: str | None, answer: str | None) -> None:
    assert reason(stay(disposition=code)) == answer


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ({"deceasedBoolean": True}, "deceased"),
        ({"deceasedBoolean": False}, None),
        ({"deceasedDateTime": "2024-03-15T12:00:00Z"}, "deceased"),
        ({"deceasedDateTime": "2024-03-14"}, "deceased"),
        ({"deceasedDateTime": "2024-03-16"}, None),
        ({"deceasedDateTime": "2025-01-01"}, None),
    ],
    ids=[
        "dead, day unknown",
        "alive",
        "at discharge",
        "the day before",
        "the day after",
        "much later: a replay knows nothing of it",
    ],
)
def test_by_death(fields: dict[str, Any], answer: str | None) -> None:
    assert reason(patient(**fields)) == answer


def test_a_disposition_already_recorded_counts_before_discharge() -> None:
    row = stay(status="in-progress", end=None, disposition="hosp")
    assert reason(row, now="03-12 00:00") == "hospice"


def test_age_is_that_at_t0() -> None:
    rows = (patient(birthDate="2006-03-10"), ed_visit("03-09 23:00", "03-10 12:00"))
    assert reason(*rows) == "under_18"


def test_observation_as_a_stay_is_a_switch() -> None:
    assert reason(stay(class_="OBSENC"), observation_is_stay=True) is None
    assert moment("06-01 00:00") == NOW
