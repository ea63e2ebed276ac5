"""The MIMIC reader on tables that are wrong or not there: what it says, what it leaves."""

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.parity.mimic_writer import COLUMNS, write_table
from tests.unit.mimic_rows import FORBIDDEN, ROWS, STAY, Tables, one_subject, quiet, writer
from training.errors import InputError, RunError, SettingError
from training.mimic import MimicReader

pytestmark = pytest.mark.sampled(3)


@pytest.fixture
def tables(tmp_path: Path) -> Tables:
    return writer(tmp_path)


def refusal(step: Callable[[], object]) -> str:
    """The message of an InputError, without a patient's value in it."""
    with pytest.raises(InputError) as refused:
        step()
    message = str(refused.value)
    assert not any(value in message for value in FORBIDDEN)
    return message


def rewritten(path: Path, old: str, new: str) -> None:
    text = gzip.decompress(path.read_bytes()).decode()
    path.write_bytes(gzip.compress(text.replace(old, new).encode()))


def test_a_root_that_is_no_folder_is_named(tmp_path: Path) -> None:
    assert "nowhere: no such folder" in refusal(lambda: MimicReader(tmp_path / "nowhere"))


def test_without_hosp_there_is_nothing_to_read(tables: Tables) -> None:
    root = tables("hosp/")
    assert "hosp: no such folder here" in refusal(lambda: MimicReader(root))


def test_version_1_is_told_by_its_core_folder(tables: Tables) -> None:
    root = tables()
    (root / "hosp").rename(root / "core")
    assert "MIMIC-IV v1" in refusal(lambda: MimicReader(root))


def test_a_missing_table_is_named_with_the_way_to_do_without(tables: Tables) -> None:
    root = tables("hosp/services")
    message = refusal(lambda: MimicReader(root))
    assert "hosp/services.csv.gz: no such file" in message
    assert "hosp.services among the tables to do without" in message
    assert MimicReader(root, without=frozenset(("hosp.services",))).name == "mimic_iv"


@pytest.mark.parametrize("label", ["hosp.patients", "hosp.admissions", "hosp.nonsense"])
def test_what_cannot_be_left_out_is_refused(tables: Tables, label: str) -> None:
    root = tables()
    without = frozenset((label,))
    assert "cannot be left out" in refusal(lambda: MimicReader(root, without=without))


@pytest.mark.parametrize(
    ("table", "column", "older", "expected"),
    [
        ("hosp/admissions", "race", "ethnicity", "MIMIC-IV v2.x or v3.x"),
        ("hosp/patients", "anchor_year_group", "group", "MIMIC-IV v2.x or v3.x"),
        ("ed/edstays", "arrival_transport", "transport", "MIMIC-IV-ED v2.x"),
        ("note/discharge", "note_seq", "seq", "MIMIC-IV-Note v2.x"),
    ],
)
def test_another_version_is_told_by_table_and_column(
    tables: Tables, table: str, column: str, older: str, expected: str
) -> None:
    root = tables()
    rewritten(root / f"{table}.csv.gz", column, older)
    message = refusal(lambda: MimicReader(root))
    assert f"wrong version: table {table.replace('/', '.')} has no column {column}" in message
    assert f"{expected} is expected, with the columns subject_id" in message


def test_more_columns_in_another_order_are_no_matter(tables: Tables, tmp_path: Path) -> None:
    """v3 may add some; only names count."""
    root = tables()
    columns = [*reversed(COLUMNS["hosp/admissions"].split()), "something_new"]
    write_table(root / "hosp" / "admissions.csv.gz", columns, ROWS["hosp/admissions"])
    (visit,) = (
        v for v in one_subject(MimicReader(root), tmp_path).history.visits if v.role == "hospital"
    )
    assert visit.admission_type == "urgent"


def test_plain_csv_is_read_as_well(tables: Tables, tmp_path: Path) -> None:
    root = tables()
    packed = root / "hosp" / "patients.csv.gz"
    packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    assert one_subject(MimicReader(root), tmp_path / "work").era == "2008 - 2010"


def cut(path: Path, rows: int = 50_000) -> None:
    """A file of many rows whose end did not arrive."""
    columns = COLUMNS["hosp/labevents"].split()
    write_table(path, columns, ({**STAY, "labevent_id": i, "itemid": 51222} for i in range(rows)))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def test_a_truncated_table_is_named_and_nothing_half_written(
    tables: Tables, tmp_path: Path
) -> None:
    root = tables()
    cut(root / "hosp" / "labevents.csv.gz")
    reader = MimicReader(root)
    message = refusal(lambda: reader.prepare(tmp_path / "work", 2, quiet))
    assert "labevents.csv.gz: truncated, damaged" in message
    work = tmp_path / "work" / "mimic_tables"
    assert not (work / "hosp.labevents").exists()
    assert (work / "hosp.patients").is_dir()


def test_the_rest_of_a_failed_writing_is_removed(tables: Tables, tmp_path: Path) -> None:
    root = tables()
    cut(root / "hosp" / "labevents.csv.gz")
    refusal(lambda: MimicReader(root).prepare(tmp_path / "work", 2, quiet))
    assert not list((tmp_path / "work" / "mimic_tables").glob("*.part"))


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08", b"no gzip at all"])
def test_a_file_without_a_readable_header_is_named(tables: Tables, content: bytes) -> None:
    root = tables()
    (root / "hosp" / "patients.csv.gz").write_bytes(content)
    assert re.search(r"patients.csv.gz: (cannot be read|the file is empty)", refusal(
        lambda: MimicReader(root)
    ))  # fmt: skip


def test_a_row_of_another_shape_is_refused_unquoted(tables: Tables, tmp_path: Path) -> None:
    root = tables()
    path = root / "hosp" / "services.csv.gz"
    rewritten(path, "OMED", "OMED,secret,secret")
    assert "services.csv.gz: truncated, damaged" in refusal(
        lambda: MimicReader(root).prepare(tmp_path, 2, quiet)
    )


def test_a_subject_that_is_no_number_is_refused_unquoted(tables: Tables, tmp_path: Path) -> None:
    root = tables(patients=[{"subject_id": "secret"}])
    assert "patients.csv.gz" in refusal(lambda: MimicReader(root).prepare(tmp_path, 2, quiet))


@pytest.mark.parametrize("name", ["patients", "diagnoses_icd", "triage"])
def test_an_empty_table_is_no_absence(tables: Tables, tmp_path: Path, name: str) -> None:
    root = tables(**{name: []})
    message = refusal(lambda: MimicReader(root).prepare(tmp_path, 2, quiet))
    assert f".{name} has no rows" in message


def test_labevents_without_the_items_of_the_profile_is_refused(
    tables: Tables, tmp_path: Path
) -> None:
    root = tables(labevents=[STAY | {"itemid": 1}])
    message = refusal(lambda: MimicReader(root).prepare(tmp_path, 2, quiet))
    assert "hosp.labevents has no rows that are wanted" in message


def test_a_time_in_another_form_is_refused_by_column(tables: Tables, tmp_path: Path) -> None:
    root = tables()
    rewritten(root / "hosp" / "admissions.csv.gz", "2150-03-01 10:00:00", "3/1/50 10:00 secret")
    assert "hosp.admissions.admittime" in refusal(lambda: one_subject(MimicReader(root), tmp_path))


def test_a_patient_listed_twice_is_refused(tables: Tables, tmp_path: Path) -> None:
    root = tables(patients=ROWS["hosp/patients"] * 2)
    assert "more than once" in refusal(lambda: one_subject(MimicReader(root), tmp_path))


def test_two_versions_below_one_root_are_refused(tables: Tables, tmp_path: Path) -> None:
    tables(folder="files/mimiciv/2.2")
    tables(folder="files/mimiciv/3.1")
    assert "2 folders hold hosp" in refusal(lambda: MimicReader(tmp_path / "files"))


def test_subjects_before_prepare_are_refused(tables: Tables) -> None:
    with pytest.raises(RunError, match="before prepare"):
        next(MimicReader(tables()).subjects(0))


def test_a_folder_that_is_not_the_reader_s_is_left_alone(tables: Tables, tmp_path: Path) -> None:
    tables(folder="work/mimic_tables")
    reader = MimicReader(tmp_path / "work")
    with pytest.raises(RunError, match="not of this step"):
        reader.prepare(tmp_path / "work", 2, quiet)
    assert (tmp_path / "work" / "mimic_tables" / "hosp" / "patients.csv.gz").is_file()


def test_too_little_memory_is_called_so(tables: Tables, tmp_path: Path) -> None:
    root = tables()
    with pytest.raises(RunError, match="memory limit is too small"):
        MimicReader(root, memory="1MB").prepare(tmp_path, 2, quiet)


def test_a_memory_limit_that_is_no_amount_is_refused(tables: Tables, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="memory: not an amount"):
        MimicReader(tables(), memory="plenty").prepare(tmp_path / "work", 2, quiet)
