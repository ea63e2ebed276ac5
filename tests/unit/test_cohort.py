"""A cohort folder: who is in it, its labels, its files; killed and resumed it is the same."""

import errno
import xml.etree.ElementTree as Xml
from pathlib import Path
from typing import Any

import numpy
import polars
import pytest

from cds_service.batch.extract_command import vectors_of
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.exports import read_export
from fhir_mapping.reading import history_of
from tests.spec.record import condition, ed_visit, observations, patient, stay, visit
from tests.unit.cohort_readers import Drawn, quiet, subject
from training.cohort import Cohort, CohortSettings, build_cohort
from training.cohorts.files import catalogue_schema, load_notes, load_table
from training.errors import CohortError, InputError, RunError, SettingError
from training.fhir_cohort import FhirReader
from training.subjects import Subject

ROOT = Path(__file__).resolve().parents[2]
TWO = CohortSettings(shards=2)
FILES = [
    "DONE", "cohort.json", "flow.html", "flow.json", "notes.parquet", "schema.json",
    "started.json", "vectors.parquet",
]  # fmt: skip
BACK = visit("back", "IMP", "04-01 08:00", "04-03 12:00", priority="EM")


def people() -> list[Subject]:
    """Six patients with a stay each, two of them back within 30 days."""
    labs = observations("03-14 08:00 | 718-7 | 9.5 | g/dL")
    rows = [[stay(priority="EM"), *labs], [stay(), BACK], [stay(), condition("icd10|I50.9")]]
    rows += [[stay(), ed_visit()], [stay(), BACK], [stay("03-12 12:00")]]
    return [subject(f"p{n}", *each, note=f"note {n}") for n, each in enumerate(rows)]


def built(
    out: Path, *who: Subject, settings: CohortSettings = TWO, **reader: Any
) -> tuple[Cohort, polars.DataFrame]:
    cohort = build_cohort(Drawn(who or people(), **reader), settings, out, quiet)
    return cohort, polars.read_parquet(out / "vectors.parquet")


def row_of(out: Path, *rows: Any) -> dict[str, Any]:
    """The row of the stay called `stay` of one drawn patient."""
    _, frame = built(out, subject("p", *rows))
    return frame.filter(polars.col("stay_id") == "stay").row(0, named=True)


LABELS = (
    "readmission_30d", "readmission_30d_all_cause", "death_or_readmission_30d", "died_30d",
)  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        pytest.param([], (False, False, False, False), id="not back"),
        pytest.param([BACK], (True, True, True, False), id="back"),
        pytest.param(
            [visit("back", "IMP", "04-01 08:00", "04-03 12:00", priority="EL")],
            (False, True, False, False),
            id="back as planned",
        ),
        pytest.param(
            [patient(deceasedDateTime="2024-04-10")], (False, False, True, True), id="died after"
        ),
        pytest.param(
            [patient(deceasedDateTime="2024-04-20")], (False, False, False, False), id="died later"
        ),
        pytest.param(
            [patient(deceasedDateTime="2024-04-10"), BACK], (True, True, True, True), id="both"
        ),
    ],
)
def test_the_labels(tmp_path: Path, rows: list[Any], expected: tuple[bool, ...]) -> None:
    row = row_of(tmp_path / "c", stay(), *rows)
    assert tuple(row[name] for name in LABELS) == expected


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([stay(status="cancelled")], "encounter_cancelled"),
        ([stay(end=None)], "discharge_time_unknown"),
        ([stay(end=None, status="in-progress")], "not_finished"),
        ([stay("03-20 12:00")], "discharge_before_admission"),
        ([patient(birthDate="2010-01-01"), stay()], "under_18"),
        ([patient(birthDate=None), stay()], "age_unknown"),
        ([stay(disposition="exp")], "deceased"),
        ([stay(disposition="hosp")], "hospice"),
        ([stay(disposition="aadvice")], "against_advice"),
        ([stay(class_="OBSENC")], "observation_stay"),
        ([stay("12-10 12:00", "12-15 12:00")], "follow_up_too_short"),
        ([stay(disposition="exp", class_="OBSENC")], "observation_stay"),
    ],
)
def test_a_stay_left_out_is_counted_once_by_its_first_reason(
    tmp_path: Path, rows: list[Any], reason: str
) -> None:
    cohort, frame = built(tmp_path / "c", *people(), subject("out", *rows))
    assert cohort.flow.excluded == {reason: 1}
    assert cohort.flow.stays == cohort.flow.kept + 1 == len(frame) + 1
    assert "out" not in frame["subject_id"].to_list()


def test_a_stay_that_goes_on_in_the_next_is_counted_there(tmp_path: Path) -> None:
    ward = visit("ward", "IMP", "03-15 12:30", "03-20 12:00")
    again = visit("again", "IMP", "04-18 12:00", "04-19 12:00")
    cohort, frame = built(tmp_path / "c", subject("p", stay(), ward, again))
    assert cohort.flow.excluded == {"continued": 1}
    assert dict(frame.select("stay_id", "readmission_30d").rows()) == {"ward": True, "again": False}


def test_the_flow_adds_up_and_is_drawn(tmp_path: Path) -> None:
    gone = subject("gone", patient(deceasedDateTime="2024-04-01"), stay())
    cohort, frame = built(tmp_path / "c", *people(), gone, subject("never", stay(class_="AMB")))
    flow = cohort.flow
    assert (flow.subjects, flow.subjects_with_stays, flow.kept_subjects) == (8, 7, 7)
    assert flow.stays == flow.kept + sum(flow.excluded.values()) == 9
    assert flow.labels["readmission_30d"].positive == 2
    assert flow.noticed == {"died_without_readmission": 1}
    assert sum(each["stays"] for each in flow.splits.values()) == len(frame)
    page = (tmp_path / "c" / "flow.html").read_text("utf-8")
    drawing = Xml.fromstring(page[page.index("<svg") : page.index("</svg>") + 6])  # noqa: S314
    words = [each.text for each in drawing.iter("{http://www.w3.org/2000/svg}text")]
    assert "9 hospital stays in the cohort" in words
    assert "<script" not in page


def test_killed_and_resumed_the_table_has_the_same_bytes(tmp_path: Path) -> None:
    straight, _ = built(tmp_path / "straight", settings=CohortSettings(shards=3))

    def kill(task: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    reader, settings = Drawn(people()), CohortSettings(shards=3)
    with pytest.raises(KeyboardInterrupt):
        build_cohort(reader, settings, tmp_path / "killed", kill)
    reader.asked.clear()
    resumed = build_cohort(reader, settings, tmp_path / "killed", quiet)
    assert reader.asked == [2]
    assert resumed.digest == straight.digest
    again = build_cohort(reader, settings, tmp_path / "killed", quiet)
    assert (reader.asked, again.digest) == ([2], straight.digest)
    assert sorted(each.name for each in (tmp_path / "killed").iterdir()) == FILES


def test_the_number_of_shards_and_the_order_of_patients_change_nothing(tmp_path: Path) -> None:
    one, _ = built(tmp_path / "one", settings=CohortSettings(shards=1))
    other, _ = built(tmp_path / "other", *people()[::-1], settings=CohortSettings(shards=5))
    assert one.digest == other.digest


def test_a_full_disk_is_said_and_what_was_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, reader = tmp_path / "c", Drawn(people())
    write = polars.DataFrame.write_parquet

    def full(frame: polars.DataFrame, file: Path, **options: Any) -> None:
        if file.name.startswith(".0001"):
            file.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        write(frame, file, **options)

    with monkeypatch.context() as patch:
        patch.setattr(polars.DataFrame, "write_parquet", full)
        with pytest.raises(RunError, match=r"No space left on device.*Free space"):
            build_cohort(reader, TWO, out, quiet)
    assert not list(out.rglob("*.part"))
    assert not (out / "vectors.parquet").exists()
    build_cohort(reader, TWO, out, quiet)
    assert reader.asked == [0, 1, 1]


@pytest.mark.parametrize(
    ("settings", "print_", "what"),
    [
        (CohortSettings(shards=2, salt="other"), "one", "settings"),
        (CohortSettings(shards=2, observation_is_stay=True), "one", "settings"),
        (TWO, "two", "fingerprint"),
    ],
)
def test_a_folder_of_another_cohort_is_refused(
    tmp_path: Path, settings: CohortSettings, print_: str, what: str
) -> None:
    built(tmp_path / "c")
    with pytest.raises(RunError, match=f"other {what}.*Name another folder"):
        build_cohort(Drawn(people(), print=print_), settings, tmp_path / "c", quiet)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(RunError, match="holds something else"):
        build_cohort(Drawn(people()), TWO, tmp_path, quiet)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_no_stay_left_names_what_took_most(tmp_path: Path) -> None:
    young = [subject(f"p{n}", patient(birthDate="2010-01-01"), stay()) for n in range(3)]
    with pytest.raises(CohortError, match=r"no stay is left of 4.*under 18 years \(3\)"):
        built(tmp_path / "c", *young, subject("q", stay(class_="OBSENC")))
    assert not (tmp_path / "c" / "vectors.parquet").exists()


def test_no_stay_at_all(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="check that Encounters are in them"):
        built(tmp_path / "c", subject("p", stay(class_="AMB")))


def test_notes_where_they_are_required(tmp_path: Path) -> None:
    wanted = CohortSettings(shards=1, require_notes=True)
    with pytest.raises(CohortError, match="discharge summary"):
        built(tmp_path / "none", subject("p", stay()), settings=wanted)
    built(tmp_path / "some", subject("p", stay(), note="Went home."), settings=wanted)
    assert load_notes(tmp_path / "some") == {"stay": "Went home."}


def test_settings_that_contradict_each_other() -> None:
    for wrong in ({"shards": 0}, {"variant": "triage"}, {"task": "critical_outcome"}):
        with pytest.raises(SettingError):
            CohortSettings(**wrong)  # type: ignore[arg-type]


def test_the_table_in_memory(tmp_path: Path) -> None:
    cohort, frame = built(
        tmp_path / "c", *people(), subject("q", stay(), sources={"Encounter": "read"})
    )
    table = load_table(cohort.folder)
    assert table.schema == catalogue_schema()
    assert table.values.shape == (len(frame), 105)
    assert list(table.subjects) == frame["subject_id"].to_list()
    assert list(table.column("hemoglobin_last")[:1]) == [9.5]
    assert numpy.isnan(table.column("hemoglobin_last")[-1])
    assert numpy.isnan(table.column("cci_chf")[-1])
    levels = CATALOGUE["admission_type"].levels
    assert levels[int(table.column("admission_type")[0])] == "emergency"
    assert set(table.labels) == set(LABELS)
    assert {"lace", "hospital", "temporal_split", "tuning_slice", "prediction_time"} <= {
        *table.extras
    }
    assert set(table.extras["tuning_slice"][table.splits != "tuning"]) <= {""}


def test_an_unknown_level_is_the_index_after_the_last(tmp_path: Path) -> None:
    cohort, frame = built(tmp_path / "c")
    odd = frame.with_columns(admission_type=polars.lit("by balloon"))
    odd.write_parquet(cohort.folder / "vectors.parquet")
    column = load_table(cohort.folder).column("admission_type")
    assert set(column) == {float(len(CATALOGUE["admission_type"].levels))}


def test_a_folder_that_is_not_finished_or_damaged_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished cohort"):
        load_table(tmp_path)
    cohort, frame = built(tmp_path / "c")
    frame.drop("age").write_parquet(cohort.folder / "vectors.parquet")
    with pytest.raises(InputError, match="1 columns are missing, age"):
        load_table(cohort.folder)
    (cohort.folder / "vectors.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="Build the cohort again"):
        load_table(cohort.folder)


def test_a_vector_here_is_the_one_that_the_service_extracts(tmp_path: Path) -> None:
    """The example patients by the batch command's own path and as a cohort: equal digests."""
    folder = ROOT / "examples" / "patients"
    export = read_export(folder)
    expected = {}
    for _, resources in export.records():
        found = vectors_of(history_of(resources), export)
        expected |= {stay_id: vector.digest for stay_id, able, vector in found if able}
    cohort = build_cohort(FhirReader(folder), TWO, tmp_path / "c", quiet)
    frame = polars.read_parquet(cohort.folder / "vectors.parquet")
    digests = dict(frame.select("stay_id", "digest").rows())
    assert digests
    assert digests.items() <= expected.items()
    left_out = cohort.flow.excluded
    assert len(digests) + left_out["follow_up_too_short"] + left_out.get("continued", 0) == len(
        expected
    )


@pytest.mark.parametrize("variant", ["triage", "ed_departure"])
def test_critical_outcomes_of_ed_visits(tmp_path: Path, variant: Any) -> None:
    ill = subject("ill", ed_visit(), stay(disposition="exp"))
    well = subject("well", ed_visit(), patient())
    child = subject("child", ed_visit(), patient(birthDate="2015-01-01"))
    settings = CohortSettings(task="critical_outcome", variant=variant, shards=1)
    cohort, frame = built(tmp_path / "c", ill, well, child, settings=settings)
    assert dict(frame.select("subject_id", "critical_outcome").rows()) == {
        "ill": True,
        "well": False,
    }
    assert cohort.flow.excluded == {"under_18": 1}
    table = load_table(cohort.folder)
    assert len(table.schema) == {"triage": 87, "ed_departure": 96}[variant]
    assert "insurance" not in table.schema.names
