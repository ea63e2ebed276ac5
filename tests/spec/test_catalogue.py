"""The table of the 105 features and the code lists beside it: complete, known words, in order."""

import re
from collections import Counter
from importlib.resources import files

import pytest

from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS, Catalogue, Feature
from fhir_mapping.codelists import complaint_terms, loinc_measures, rows
from fhir_mapping.derived import FUNCTIONS, INPUTS
from fhir_mapping.errors import CatalogueError
from fhir_mapping.extract import REDUCERS
from fhir_mapping.profiles import SHIPPED, load_profile
from fhir_mapping.resources import KNOWN_TYPES
from fhir_mapping.units import conversion
from fhir_mapping.windows import span_of
from tests.spec.record import stay_of

TABLE = (files("fhir_mapping") / "catalogue.csv").read_text("utf-8")
WINDOWED = {"first", "last", "visits_ed", "visits_hospital", "visits_icu", "diagnosed"}
OTHER_WINDOWS = {"at_t0", "static", "ed_stay", "stay", "at_admission", "at_discharge", "triage"}
MEASURES = sorted(
    {m for f in CATALOGUE if f.sources == ("Observation",) for m in f.reads} | {"complaint"}
)


def test_105_rows_with_names_and_labels_of_their_own() -> None:
    assert len(CATALOGUE) == len(CATALOGUE.names) == 105
    assert len({feature.label for feature in CATALOGUE}) == 105
    assert Counter(feature.kind for feature in CATALOGUE) == {
        "numeric": 39,
        "binary": 60,
        "categorical": 6,
    }


def test_coverage_groups() -> None:
    counted = Counter(feature.coverage_group for feature in CATALOGUE)
    assert set(counted) == set(COVERAGE_GROUPS)
    assert counted.total() == 105


@pytest.mark.parametrize(("variant", "columns"), [("triage", 87), ("ed_departure", 96)])
def test_the_columns_of_the_critical_outcome(variant: str, columns: int) -> None:
    known_by = {"triage": {"yes"}, "ed_departure": {"yes", "ed_departure"}}[variant]
    assert sum(feature.critical_outcome in known_by for feature in CATALOGUE) == columns


@pytest.mark.parametrize("feature", list(CATALOGUE), ids=lambda feature: feature.name)
def test_each_row(feature: Feature) -> None:
    assert 0 < len(feature.label) <= 40
    assert feature.definition
    assert feature.mimic_source
    if feature.derived:
        assert feature.reduce in FUNCTIONS
    else:
        assert feature.reduce in REDUCERS
        assert set(feature.sources) <= KNOWN_TYPES
    if feature.reduce in WINDOWED:
        assert span_of(feature.window, stay_of())  # type: ignore[arg-type]
    else:
        assert feature.window in OTHER_WINDOWS
    if feature.kind == "numeric":
        assert conversion(feature.unit, feature.unit)
        assert feature.high is not None
        assert (feature.low or 0) < feature.high
    else:
        assert not feature.unit
    assert bool(feature.levels) is (feature.kind == "categorical")


@pytest.mark.parametrize("feature", list(CATALOGUE), ids=lambda feature: feature.name)
def test_outlier_bounds_enclose_the_valid_range(feature: Feature) -> None:
    if feature.outlier_low is not None:
        assert feature.outlier_high is not None
        assert feature.low is None or feature.outlier_low <= feature.low
        assert feature.high is not None
        assert feature.high <= feature.outlier_high


@pytest.mark.parametrize("measure", sorted({m for f in CATALOGUE for m in f.reads}))
def test_rows_that_share_a_measure_agree_on_unit_and_limits(measure: str) -> None:
    sharing = [f for f in CATALOGUE if measure in f.reads and not f.derived]
    limits = {
        (f.unit, f.low, f.high, f.positive, f.outlier_low, f.outlier_high, f.sources)
        for f in sharing
    }
    assert len(limits) <= 1


def test_inputs_of_derived_features_are_in_the_catalogue() -> None:
    assert {name for names in INPUTS.values() for name in names} <= set(CATALOGUE.names)
    derived = {feature.reduce for feature in CATALOGUE if feature.derived}
    assert derived == set(FUNCTIONS) == set(INPUTS)


@pytest.mark.parametrize("profile", SHIPPED)
@pytest.mark.parametrize(
    ("table", "feature"),
    [
        ("admission_type", "admission_type"),
        ("arrival", "arrival_transport"),
        ("disposition", "discharge_location"),
    ],
)
def test_profiles_name_levels_of_the_catalogue(profile: str, table: str, feature: str) -> None:
    levels = set(load_profile(profile).tables[table].values())
    assert levels <= set(CATALOGUE[feature].levels)


KEY_WORDS = {
    "temperature": "temperature",
    "heart_rate": "heart rate",
    "respiratory_rate": "respiratory rate",
    "oxygen_saturation": "oxygen saturation",
    "systolic": "systolic",
    "diastolic": "diastolic",
    "blood_pressure_panel": "blood pressure",
    "pain": "pain",
    "acuity": "acuity|severity index",
    "complaint": "chief complaint",
    "hemoglobin": "hemoglobin",
    "sodium": "sodium",
}


@pytest.mark.parametrize("row", rows("loinc"), ids=lambda row: row["code"])
def test_each_loinc_display_speaks_of_its_measure(row: dict[str, str]) -> None:
    assert re.search(KEY_WORDS[row["measure"]], row["display"].lower())


def test_each_loinc_code_has_its_check_digit() -> None:
    for code in loinc_measures():
        digits, _, check = code.partition("-")
        doubled = "".join(str(int(d) * (2 - n % 2)) for n, d in enumerate(digits[::-1]))
        assert (-sum(map(int, doubled))) % 10 == int(check), code


@pytest.mark.parametrize("measure", MEASURES)
def test_each_measure_that_is_read_has_a_code(measure: str) -> None:
    assert measure in set(loinc_measures().values())


@pytest.mark.parametrize(
    ("name", "ordered"),
    [
        ("comorbidities", True),
        ("complaints", True),
        ("lace_items", True),
        ("lace_renal_severe", True),
        ("loinc", True),
        ("payers", False),  # the first that fits wins
        ("snomed_conditions", True),
    ],
)
def test_lists_have_no_row_twice_and_are_in_order(name: str, ordered: bool) -> None:
    found = [tuple(row.values()) for row in rows(name)]
    assert found
    assert len(set(found)) == len(found)
    assert all(cell == cell.strip() for row in found for cell in row)
    if ordered:
        assert found == sorted(found)


def test_lists_speak_of_features_that_there_are() -> None:
    assert set(complaint_terms()) == {f.name for f in CATALOGUE if f.reduce == "mentions"}
    assert all(term == term.lower() for terms in complaint_terms().values() for term in terms)
    flags = {f.name for f in CATALOGUE if f.reduce == "diagnosed"}
    assert {row["feature"] for row in rows("comorbidities")} == flags
    assert {row["feature"] for row in rows("lace_items")} <= flags


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gender,Sex", "age,Sex", "occurs twice"),
        (",numeric,,a,", ",number,,a,", "line 2: column kind"),
        (",numeric,,a,18", ",numeric,,a,old", "line 2"),
        ("name,label", "nom,label", "line 2"),
        (",this_stay,numeric,,a", ",elsewhere,numeric,,a", "column coverage_group"),
    ],
)
def test_a_malformed_table_says_where(old: str, new: str, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        Catalogue(TABLE.replace(old, new, 1))


def test_an_unknown_list_or_window_is_refused() -> None:
    with pytest.raises(CatalogueError, match="no such code list"):
        rows("unheard_of")
    with pytest.raises(CatalogueError, match="has no meaning"):
        span_of("someday", stay_of())  # type: ignore[arg-type]


def test_the_digest_is_of_every_byte() -> None:
    assert Catalogue(TABLE).digest == Catalogue(TABLE).digest != CATALOGUE.digest
    assert Catalogue(TABLE.replace("Age,", "Years,", 1)).digest != Catalogue(TABLE).digest
    assert Catalogue(TABLE, (("a", b"1"),)).digest != Catalogue(TABLE, (("a", b"2"),)).digest
