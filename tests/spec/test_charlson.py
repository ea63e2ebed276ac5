"""The Charlson index: weights, the severe form replaces the mild one, age points."""

import pytest

from fhir_mapping.derived import FUNCTIONS, INPUTS
from tests.spec.record import READ, condition, patient, value

NONE = dict.fromkeys(INPUTS["charlson"], 0.0) | {"age": 30.0}
WEIGHTS = {
    "cci_mi": 1,
    "cci_chf": 1,
    "cci_pvd": 1,
    "cci_stroke": 1,
    "cci_dementia": 1,
    "cci_pulmonary": 1,
    "cci_rheumatic": 1,
    "cci_pud": 1,
    "cci_liver_mild": 1,
    "cci_diabetes_uncomplicated": 1,
    "cci_diabetes_complicated": 2,
    "cci_paralysis": 2,
    "cci_renal": 2,
    "cci_cancer": 2,
    "cci_liver_severe": 3,
    "cci_cancer_metastatic": 6,
    "cci_hiv": 6,
}


@pytest.mark.parametrize(
    ("present", "points"),
    [
        ("", 0),
        *WEIGHTS.items(),
        ("cci_liver_mild cci_liver_severe", 3),
        ("cci_diabetes_uncomplicated cci_diabetes_complicated", 2),
        ("cci_cancer cci_cancer_metastatic", 6),
        ("cci_mi cci_chf cci_renal", 4),
        (" ".join(WEIGHTS), 29),
    ],
)
def test_weights_and_hierarchy(present: str, points: float) -> None:
    known = NONE | dict.fromkeys(present.split(), 1.0)
    assert FUNCTIONS["charlson"](known) == points


@pytest.mark.parametrize(
    ("age", "points"),
    [
        (18, 0),
        (49, 0),
        (50, 1),
        (59, 1),
        (60, 2),
        (69, 2),
        (70, 3),
        (79, 3),
        (80, 4),
        (101, 4),
    ],
)
def test_age_points(age: float, points: float) -> None:
    assert FUNCTIONS["charlson"](NONE | {"age": age}) == points


def test_a_patient_of_73_with_heart_failure_and_diabetes() -> None:
    rows = [
        condition("icd10|I50.9", id="a", recorded="01-01 00:00"),
        condition("icd10|E11.9", id="b", recorded="01-01 00:00"),
        condition("icd10|E11.22", id="c", recorded="01-01 00:00"),
    ]
    assert value("score_cci", rows) == 3 + 1 + 2
    assert value("score_cci") == 3
    assert value("score_cci", rows, patient(birthDate="1980-01-01")) == 1 + 2


@pytest.mark.parametrize("source", ["Condition", "Encounter"])
def test_missing_where_a_flag_is(source: str) -> None:
    row = condition("icd10|I50.9", recorded="01-01 00:00")
    assert value("score_cci", row, sources={**READ, source: "not_read"}) is None
