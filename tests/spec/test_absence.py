"""A zero is a finding only where its source was read over the whole look-back."""

import pytest

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.history import Source
from tests.spec.record import (
    READ,
    Resource,
    condition,
    drug,
    ed_visit,
    observation,
    patient,
    procedure,
    stay,
    value,
    vector,
    visit,
)

EARLIER = visit("before", "IMP", "03-01 00:00", "03-05 00:00")
ZEROS = [
    *((f"n_ed_{days}d", ("Encounter",)) for days in (30, 90, 365)),
    *((f"n_hosp_{days}d", ("Encounter",)) for days in (30, 90, 365)),
    *((f"n_icu_{days}d", ("Encounter", "Location")) for days in (30, 90, 365)),
    ("icu_los_days", ("Encounter", "Location")),
    ("ed_los_hours", ("Encounter",)),
    ("n_med", ("Encounter",)),
    ("cci_mi", ("Condition", "Encounter")),
    ("eci_depression", ("Condition", "Encounter")),
    ("procedure_any", ("Procedure",)),
]


@pytest.mark.parametrize("how", ["read", "partial", "not_read"])
@pytest.mark.parametrize(("feature", "sources"), ZEROS, ids=[name for name, _ in ZEROS])
def test_a_zero_needs_each_of_its_sources(
    feature: str, sources: tuple[str, ...], how: Source
) -> None:
    for source in sources:
        assert value(feature, sources={**READ, source: how}) == (0 if how == "read" else None)


@pytest.mark.parametrize("feature", [name for name, _ in ZEROS])
def test_other_sources_do_not_matter_and_an_absent_key_is_not_read(feature: str) -> None:
    needed = dict(ZEROS)[feature]
    assert value(feature, sources=dict.fromkeys(needed, "read")) == 0
    assert value(feature, sources={}) is None


PROOFS: list[tuple[str, list[Resource], float]] = [
    ("n_hosp_30d", [EARLIER], 1),
    ("n_ed_30d", [ed_visit("03-01 00:00", "03-01 02:00", "e")], 1),
    (
        "n_icu_30d",
        [
            EARLIER
            | {
                "location": [
                    {"location": {"display": "ICU"}, "period": {"start": "2024-03-02T00:00:00Z"}}
                ]
            }
        ],
        1,
    ),
    ("ed_los_hours", [ed_visit()], 4),
    (
        "n_med",
        [
            ed_visit(),
            drug("MedicationAdministration", "aspirin", context={"reference": "Encounter/ed"}),
        ],
        1,
    ),
    (
        "n_medrecon",
        [drug("MedicationStatement", "aspirin", status="active", dateAsserted="2024-03-01")],
        1,
    ),
    ("cci_chf", [condition("icd10|I50.9", recorded="01-01 00:00")], 1),
    ("procedure_any", [procedure("cpt|44970", "03-12 00:00")], 1),
    ("hemoglobin_last", [observation("03-12 00:00", "718-7", "9.5", "g/dL")], 9.5),
    ("triage_heartrate", [ed_visit(), observation("03-10 08:10", "8867-4", "88", "/min")], 88),
    ("chiefcom_cough", [stay(reason="cough")], 1),
    ("hosp_los_days", [], 5),
    ("age", [], 73),
]


@pytest.mark.parametrize("how", ["read", "partial", "not_read"])
@pytest.mark.parametrize(("feature", "rows", "answer"), PROOFS, ids=[name for name, *_ in PROOFS])
def test_what_an_event_proves_stands_whatever_was_read(
    feature: str, rows: list[Resource], answer: float, how: Source
) -> None:
    sources: dict[str, Source] = dict.fromkeys(READ, how)
    if feature.startswith("triage") and how == "partial":
        sources["Observation"] = "read"  # the first value of a cut page is not the first
    assert value(feature, *rows, sources=sources) == answer


@pytest.mark.parametrize(
    ("feature", "source"),
    [
        ("gender", "Patient"),
        ("ethnicity", "Patient"),
        ("arrival_transport", "Encounter"),
        ("insurance", "Coverage"),
        ("admission_type", "Encounter"),
    ],
)
def test_a_category_not_stated_is_unknown_and_one_not_read_is_missing(
    feature: str, source: str
) -> None:
    rows = patient(gender=None)
    assert value(feature, rows) == "unknown"
    for how in ("partial", "not_read"):
        assert value(feature, rows, sources=READ | {source: how}) is None  # type: ignore[operator]


@pytest.mark.parametrize(
    "feature",
    ["triage_heartrate", "ed_pain_last", "hemoglobin_last", "oncology_service", "chiefcom_cough"],
)
def test_a_measurement_that_is_not_there_is_missing_even_where_all_was_read(feature: str) -> None:
    assert value(feature) is None


def test_coverage_counts_what_is_known_and_unknown_is_not() -> None:
    everything, nothing = vector(ed_visit()).coverage, vector(ed_visit(), sources={}).coverage
    assert (everything.total, nothing.total) == (105, 105)
    assert everything.known == sum(known for known, _ in everything.groups.values())
    assert sum(total for _, total in everything.groups.values()) == 105
    assert everything.groups["diagnoses"] == (49, 49)
    assert nothing.groups["diagnoses"] == (0, 49)
    assert everything.groups["labs"] == (0, 2)
    assert everything.groups["history"] == (9, 9)


def test_every_known_value_has_its_evidence_and_no_missing_one_has() -> None:
    answer = vector(ed_visit(), EARLIER, condition("icd10|I50.9", recorded="01-01 00:00"))
    for feature in CATALOGUE:
        has = bool(answer.evidence_for(feature.name))
        assert has is (answer[feature.name] is not None), feature.name
