"""The 48 comorbidity flags against diagnoses_icd, stay by stay.

The prefixes are the product's list, read as data; matching and window are done again here.
"""

import csv
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from tests.parity.mimic_routes import Route, differing
from tests.parity.mimic_source import Admission, Demo

pytestmark = [pytest.mark.data, pytest.mark.sampled(5)]

CODELIST = Path(__file__).resolve().parents[2] / "fhir_mapping" / "codelists" / "comorbidities.csv"
CHARLSON_WEIGHTS = {
    1: "mi chf pvd stroke dementia pulmonary rheumatic pud liver_mild diabetes_uncomplicated",
    2: "diabetes_complicated paralysis renal cancer",
    3: "liver_severe",
    6: "cancer_metastatic hiv",
}
MILD_OF = {
    "cci_liver_severe": "cci_liver_mild",
    "cci_diabetes_complicated": "cci_diabetes_uncomplicated",
    "cci_cancer_metastatic": "cci_cancer",
}


def prefixes() -> Mapping[str, list[tuple[str, str]]]:
    with CODELIST.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    names = sorted({row["feature"] for row in rows})
    return {
        name: [(row["system"], row["prefix"]) for row in rows if row["feature"] == name]
        for name in names
    }


PREFIXES = prefixes()


def has(demo: Demo, admission: Admission, name: str) -> float:
    """1 where a stay discharged in the five years before T0 carries a code of the list."""
    t0 = demo.t0(admission)
    since = t0 - timedelta(days=1825)
    return float(
        any(
            version == listed and code.replace(".", "").strip().startswith(prefix)
            for other in demo.of_patient(admission.subject_id)
            if other is not admission and since <= other.end < t0
            for version, code in demo.diagnoses.get(other.hadm_id, ())
            for listed, prefix in PREFIXES[name]
        )
    )


@pytest.mark.parametrize("name", PREFIXES)
def test_comorbidity(demo: Demo, routes: Mapping[int, Route], name: str) -> None:
    assert (
        differing(demo, lambda hadm: routes[hadm].vector[name], lambda a: has(demo, a, name)) == {}
    )


def test_there_are_48_comorbidities() -> None:
    assert len(PREFIXES) == 48


def test_charlson_is_the_sum_of_its_parts(demo: Demo, routes: Mapping[int, Route]) -> None:
    def got(hadm: int) -> object:
        vector = routes[hadm].vector
        score, age = vector["score_cci"], vector["age"]
        assert isinstance(score, float)
        assert isinstance(age, float)
        return score - sum(age >= decade for decade in (50, 60, 70, 80))

    def expected(admission: Admission) -> float:
        present = {name for name in _weights() if has(demo, admission, name)}
        present -= {mild for severe, mild in MILD_OF.items() if severe in present}
        return float(sum(_weights()[name] for name in present))

    assert differing(demo, got, expected) == {}


def _weights() -> dict[str, int]:
    return {f"cci_{name}": w for w, names in CHARLSON_WEIGHTS.items() for name in names.split()}
