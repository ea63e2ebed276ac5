"""The MIMIC reader on tables that are partly there or odd: what is read, and what they mean."""

from pathlib import Path

import pytest

from fhir_mapping.history import PatientHistory
from tests.unit.mimic_rows import ROWS, Tables, one_subject, writer
from training.mimic import MimicReader

pytestmark = pytest.mark.sampled(3)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return writer(tmp_path)


def test_modules_may_be_downloads_of_their_own(tables: Tables, tmp_path: Path) -> None:
    tables("ed/", "note/", folder="a/mimiciv/3.1")
    tables("hosp/", "icu/", "note/", folder="b/mimic-iv-ed/2.2")
    tables("hosp/", "icu/", "ed/", folder="c/mimic-iv-note/2.2")
    roots = tmp_path / "a", tmp_path / "b" / "mimic-iv-ed" / "2.2" / "ed", tmp_path / "c"
    subject = one_subject(MimicReader(*roots), tmp_path / "work")
    assert set(subject.sources.values()) == {"read"}
    assert subject.notes == {"20000001": "Summary.\n\nAddendum."}


def test_one_root_above_all_downloads_will_do(tables: Tables, tmp_path: Path) -> None:
    tables("ed/", "note/", folder="files/mimiciv/3.1")
    tables("hosp/", "icu/", "note/", folder="files/mimic-iv-ed/2.2")
    subject = one_subject(MimicReader(tmp_path / "files"), tmp_path / "work")
    assert subject.sources["Encounter/ed"] == "read"
    assert not subject.notes


@pytest.mark.parametrize(
    ("gone", "not_read"),
    [
        (
            "ed/",
            {
                "Encounter/ed",
                "MedicationStatement",
                "MedicationRequest",
                "MedicationDispense",
                "MedicationAdministration",
            },
        ),
        ("icu/", {"Location"}),
        ("note/", set()),
    ],
)
def test_an_absent_module_is_not_read(
    tables: Tables, tmp_path: Path, gone: str, not_read: set[str]
) -> None:
    sources = one_subject(MimicReader(tables(gone)), tmp_path / "work").sources
    assert {kind for kind, state in sources.items() if state == "not_read"} == not_read
    assert sources["Observation"] == ("partial" if gone == "ed/" else "read")


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("hosp.diagnoses_icd", "Condition"),
        ("hosp.procedures_icd", "Procedure"),
        ("ed.pyxis", "MedicationDispense"),
        ("ed.medrecon", "MedicationStatement"),
    ],
)
def test_a_table_done_without_is_not_read(
    tables: Tables, tmp_path: Path, label: str, kind: str
) -> None:
    reader = MimicReader(tables(), without=frozenset((label,)))
    assert one_subject(reader, tmp_path / "work").sources[kind] == "not_read"


def test_the_fingerprint_goes_by_size_not_by_place(tables: Tables) -> None:
    one, other = MimicReader(tables(folder="a")), MimicReader(tables(folder="b"))
    assert one.fingerprint() == other.fingerprint()
    patient = ROWS["hosp/patients"][0]
    more = tables(folder="c", patients=[patient, patient | {"subject_id": 10000002}])
    assert MimicReader(more).fingerprint() != one.fingerprint()


@pytest.fixture
def history(tables: Tables, tmp_path: Path) -> PatientHistory:
    return one_subject(MimicReader(tables()), tmp_path / "work").history


def test_the_last_service_is_the_one_that_discharged(history: PatientHistory) -> None:
    assert [v.oncology for v in history.visits if v.role == "hospital"] == [True]


def test_a_disposition_the_profile_does_not_know_is_marked(history: PatientHistory) -> None:
    (stay,) = (v for v in history.visits if v.role == "hospital")
    assert (stay.disposition, stay.disposition_uncoded) == ("unknown", True)


def test_a_laboratory_value_keeps_its_comparator_and_one_without_a_number_is_left_out(
    history: PatientHistory,
) -> None:
    (event,) = history.of("hemoglobin")
    assert (event.value, event.comparator, event.unit) == (5.0, "<", "g/dL")
    assert not history.of("sodium")


def test_words_in_a_column_of_numbers_stay_words(history: PatientHistory) -> None:
    (event,) = history.of("heart_rate")
    assert event.value == "secret"  # extract counts it as not numeric


def test_rows_tell_triage_from_serial_values(history: PatientHistory) -> None:
    kinds = {event.kind: event.row for name in history.events for event in history.of(name)}
    assert (kinds["temperature"], kinds["pain"], kinds["systolic"]) == (
        "triage",
        "triage",
        "serial",
    )


def test_v3_payers_and_codes_with_blanks_are_understood(history: PatientHistory) -> None:
    assert [event.value for event in history.of("payer")] == ["private"]
    assert {event.value for event in history.of("diagnosis")} == {"I50", "4280"}


def test_above_89_the_age_is_91_and_more(history: PatientHistory) -> None:
    birth = history.person.birth
    assert birth is not None
    assert (birth.year, birth.month, birth.day) == (2059, 1, 1)


def test_without_the_ed_module_a_registration_stands_for_the_visit(
    tables: Tables, tmp_path: Path
) -> None:
    found = one_subject(MimicReader(tables("ed/")), tmp_path / "work").history
    (visit,) = (v for v in found.visits if v.role == "ed")
    assert (visit.id, visit.part_of) == ("20000001-ed", "20000001")
