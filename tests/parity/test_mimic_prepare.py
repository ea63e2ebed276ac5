"""Cutting the MIMIC tables into shards: however it is cut or broken off, the patients are the same."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.parity.mimic_reads import SHARDS, Reads, quiet, read_all
from tests.parity.mimic_writer import write_tables
from training.errors import RunError
from training.mimic import MimicReader

pytestmark = [pytest.mark.data, pytest.mark.sampled(1)]


@pytest.fixture(scope="module")
def tables(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mimic")
    write_tables(data_dir / "mimic-iv-demo" / "fhir", root)
    return root


@pytest.fixture(scope="module")
def from_tables(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Reads:
    return read_all(MimicReader(tables), tmp_path_factory.mktemp("work"))


@pytest.mark.parametrize("shards", [1, pytest.param(7, marks=pytest.mark.slow)])
def test_the_cut_into_shards_changes_nothing(
    tables: Path, from_tables: Reads, tmp_path: Path, shards: int
) -> None:
    found = read_all(MimicReader(tables), tmp_path, shards)
    assert {h: (r.vector.digest, r.vector.evidence, r.subject.notes) for h, r in found.items()} == {
        h: (r.vector.digest, r.vector.evidence, r.subject.notes) for h, r in from_tables.items()
    }


def test_patients_of_a_shard_come_in_order_and_each_once(tables: Path, tmp_path: Path) -> None:
    reader = MimicReader(tables)
    reader.prepare(tmp_path, SHARDS, quiet)
    ids = [[int(s.subject_id) for s in reader.subjects(n)] for n in range(SHARDS)]
    assert all(a < b for shard in ids for a, b in pairwise(shard))
    assert len({i for shard in ids for i in shard}) == 66


class Killed(Exception):  # noqa: N818 - stands for a signal
    """The machine went down."""


def test_a_killed_prepare_resumes_and_keeps_what_was_whole(
    tables: Path, from_tables: Reads, tmp_path: Path
) -> None:
    def killer(task: str, done: int, total: int) -> None:
        if done == 6:
            raise Killed

    with pytest.raises(Killed):
        MimicReader(tables).prepare(tmp_path, SHARDS, killer)
    work = tmp_path / "mimic_tables"
    (work / "icu.icustays.part").mkdir()  # as if in the midst of writing
    (work / "icu.icustays.part" / "half").write_bytes(b"PAR1")
    whole = {p: p.stat().st_mtime_ns for p in work.rglob("*.parquet")}
    assert len({p.parents[1].name for p in whole}) == 6
    found = read_all(MimicReader(tables), tmp_path)
    assert {p: p.stat().st_mtime_ns for p in whole} == whole
    assert not list(work.glob("*.part"))
    assert {h: r.vector.digest for h, r in found.items()} == {
        h: r.vector.digest for h, r in from_tables.items()
    }


@pytest.mark.slow
def test_other_data_or_another_cut_is_prepared_anew(tables: Path, tmp_path: Path) -> None:
    reader = MimicReader(tables)
    reader.prepare(tmp_path, 2, quiet)
    reader.prepare(tmp_path, 4, quiet)
    assert len(list((tmp_path / "mimic_tables" / "hosp.patients").iterdir())) == 4
    fewer = MimicReader(tables, without=frozenset(("note.discharge",)))
    assert fewer.fingerprint() != reader.fingerprint()
    fewer.prepare(tmp_path, 4, quiet)
    assert not (tmp_path / "mimic_tables" / "note.discharge").exists()


def test_a_shard_that_broke_on_disk_is_named_without_its_rows(tables: Path, tmp_path: Path) -> None:
    reader = MimicReader(tables)
    reader.prepare(tmp_path, 1, quiet)
    part = next(tmp_path.rglob("shard=0/*.parquet"))
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(RunError, match=r"shard 0 cannot be read\. Free memory and disk"):
        list(reader.subjects(0))
