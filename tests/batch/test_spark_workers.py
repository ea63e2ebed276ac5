"""What Spark's workers do, without Spark between them: the same rows as one machine's, of the same lines."""

import gc
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import polars
import pytest

from cds_service.batch.arrived import Arrived
from cds_service.batch.engine import Work
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.lines import lines_of
from cds_service.batch.one_machine import OneMachine
from cds_service.batch.progress import Silent
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.sorting import Sorted
from cds_service.batch.spark import pieces
from cds_service.batch.spark.failing import WorkerError, in_sentences
from cds_service.batch.spark.orders import Orders, orders_of, there
from cds_service.batch.spark.pieces import pieces_of, sorted_pieces
from cds_service.batch.spark.reading import read_pieces
from cds_service.batch.spark.scoring import score_shards
from cds_service.batch.spark.worked import WorkedShard
from cds_service.batch.targets.risk_assessments import as_stored
from cds_service.batch.targets.target import Takes
from tests.conftest import ROOT, UNDER_CI

# It comes with Spark (`make spark`); under CI its absence is an error.
pyarrow = (
    import_module("pyarrow")
    if UNDER_CI
    else pytest.importorskip("pyarrow", reason="not here: make spark")
)
PIECE = 20_000
SHARDS = 4
BAD = ('{"canary', "", '{"resourceType": "Condition", "code": {"text": "canary"}}')


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pieces, "_PIECE", PIECE)
    yield
    gc.unfreeze()


@pytest.fixture
def arrived(tmp_path: Path) -> Arrived:
    """The generated patients: a Bundle each for some, the lines of the others in one file."""
    folder = tmp_path / "export"
    folder.mkdir()
    lines: list[bytes] = []
    for number, file in enumerate(sorted((ROOT / "examples" / "patients").glob("*.json"))):
        if number % 3 == 0:
            (folder / file.name).write_bytes(file.read_bytes())
        else:
            lines += [each.raw for each in lines_of(file) if each.raw]
    lines = [b"".join(each.splitlines()) for each in lines]
    random.Random(5).shuffle(lines)  # noqa: S311 - no secret
    for number, bad in enumerate(BAD, start=1):
        lines.insert(number * len(lines) // 4, bad.encode())
    (folder / "rest.ndjson").write_bytes(b"\n".join(lines))
    return Arrived(tuple(sorted(folder.iterdir())))


def work_of(arrived: Arrived, job: Job, folder: Path, takes: Takes = Takes.CONTENTS) -> Work:
    return Work(arrived, Choice(), job, RunFolder(folder), SHARDS, range(SHARDS), takes)


def batches(
    rows: Sequence[dict[str, Any]], schema: pyarrow.Schema
) -> Iterator[pyarrow.RecordBatch]:
    """A few rows at a time, so that a patient's lines and a shard's come in several."""
    yield from pyarrow.Table.from_pylist(rows, schema).to_batches(max_chunksize=7)


def read(orders: Orders, numbers: Sequence[int]) -> list[pyarrow.RecordBatch]:
    ids = pyarrow.RecordBatch.from_pydict({"id": list(numbers)})
    return list(read_pieces(orders, [ids]))


def shuffled(found: Sequence[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """As Spark does it."""
    rows = [row for batch in found for row in batch.to_pylist()]
    rows.sort(key=lambda row: (row["shard"], row["patient"].encode(), row["place"]))
    yield from batches(rows, found[0].schema)


def worked(work: Work) -> tuple[Orders, Sorted, list[dict[str, Any]]]:
    orders = orders_of(work)
    numbers = list(range(len(orders.pieces)))
    random.Random(3).shuffle(numbers)  # noqa: S311 - no secret
    found = list(score_shards(orders, shuffled(read(orders, numbers))))
    done = [row for batch in found for row in batch.to_pylist()]
    return orders, sorted_pieces(orders.pieces, orders.groups), done


async def test_workers_find_what_one_machine_finds(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    orders, read_by_workers, done = worked(work_of(arrived, job, tmp_path / "many"))
    own = work_of(arrived, job, tmp_path / "one")
    engine = OneMachine()
    read_here = await engine.sort(own, Silent())
    assert read_by_workers.tally == read_here.tally
    assert list(read_by_workers.aside()) == list(read_here.aside())
    assert sum(read_here.tally.aside.values()) == 2
    async for shard in engine.shards(own, read_here):
        sent = WorkedShard(shard.number, orders.worked)
        assert [dict(each.row) for each in sent.results] == [
            dict(each.row) for each in shard.results
        ]
        assert [as_stored(each.contents) for each in sent.results] == [
            as_stored(each.contents) for each in shard.results
        ]
        here, there_ = tmp_path / "here.parquet", tmp_path / "there.parquet"
        shard.keep(here)
        sent.keep(there_)
        assert polars.read_parquet(here).equals(polars.read_parquet(there_))
    assert sorted(row["shard"] for row in done) == [*range(SHARDS)]
    assert {row["loads"] for row in done} == {done[0]["loads"]}
    assert there(orders.worked) == set()


def test_contributions_are_sent_where_a_target_takes_them(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    sent = {}
    for takes in Takes:
        work = replace(work_of(arrived, job, tmp_path / takes.name, takes), lacking=[1])
        orders, *_ = worked(work)
        sent[takes] = WorkedShard(1, orders.worked).results
    assert sent[Takes.ROWS] == []
    plain, explained = sent[Takes.CONTENTS], sent[Takes.CONTRIBUTIONS]
    scorer = job.assessor.scorer
    for one, other in zip(plain, explained, strict=True):
        short, full = as_stored(one.contents), as_stored(other.explained(scorer))
        if full.score is None:
            continue
        assert full.score == scorer.score(full.values)
        assert full.score.contributions
        assert short.score is not None
        assert (short.score.probability, short.score.contributions) == (full.score.probability, ())
    assert any(as_stored(each.contents).score for each in explained)


def test_every_line_is_in_one_piece_and_its_number_is_the_files(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    cut = pieces_of(arrived.files)
    rest = [part for piece in cut for part in piece if part.file.name == "rest.ndjson"]
    assert len(rest) > 5
    whole = [line.raw for line in lines_of(rest[0].file)]
    parts = [line.raw for part in rest for line in lines_of(part.file, part.begin, part.end)]
    assert parts == whole
    orders = orders_of(work_of(arrived, job, tmp_path / "run"))
    read(orders, range(len(orders.pieces)))
    aside = map(msgspec.json.decode, sorted_pieces(orders.pieces, orders.groups).aside())
    assert [(each["file"], each["line"]) for each in aside] == [
        ("rest.ndjson", number)
        for number, raw in enumerate(whole, start=1)
        if raw in (BAD[0].encode(), BAD[2].encode())
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 10, 11, 12, 13, 40])
def test_wherever_a_file_is_cut_each_line_is_read_once(tmp_path: Path, size: int) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(b"first line\nsecond\n\n\r\nx\nlast, not ended")
    length = file.stat().st_size
    parts = [lines_of(file, begin, begin + size) for begin in range(0, length, size)]
    assert [line.raw for part in parts for line in part] == [line.raw for line in lines_of(file)]


def test_a_piece_that_is_read_again_says_the_same_and_keeps_what_is_there(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    orders = orders_of(work_of(arrived, job, tmp_path / "run"))
    first = read(orders, [1])
    (group,) = (each for each in orders.groups if each.is_dir())
    written = group.stat().st_ctime_ns
    assert read(orders, [1]) == first
    assert group.stat().st_ctime_ns == written
    assert [each.name for each in group.parent.iterdir()] == [group.name]


def test_only_lacking_shards_are_sent(arrived: Arrived, job: Job, tmp_path: Path) -> None:
    work = replace(work_of(arrived, job, tmp_path / "run"), lacking=[2])
    orders = orders_of(work)
    found = read(orders, range(len(orders.pieces)))
    assert {row["shard"] for batch in found for row in batch.to_pylist()} == {2}


def test_what_workers_have_put_there_is_not_worked_on_again(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    work = work_of(arrived, job, tmp_path / "run")
    orders, *_ = worked(replace(work, lacking=[0, 2]))
    (orders.worked / ".0001.parquet0a.part").touch()
    assert there(orders.worked) == {0, 2}
    assert orders_of(work).lacking == {1, 3}


def test_a_worker_that_does_not_see_the_run_says_so(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    orders = orders_of(work_of(arrived, job, tmp_path / "run"))
    lines = read(orders, range(len(orders.pieces)))
    (orders.groups[0] / "seen.json").unlink()
    with pytest.raises(WorkerError, match="does not see the files of this run"):
        list(score_shards(orders, shuffled(lines)))
    arrived.files[0].unlink()
    with pytest.raises(WorkerError, match="every machine has at the same path"):
        read(orders, [0])


def test_a_bundle_that_was_changed_is_refused(arrived: Arrived, job: Job, tmp_path: Path) -> None:
    orders = orders_of(work_of(arrived, job, tmp_path / "run"))
    lines = read(orders, range(len(orders.pieces)))
    manifest = orders.bundle / "manifest.json"
    stated = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(stated | {"notice": "another"}))
    with pytest.raises(WorkerError, match="a worker has another bundle"):
        list(score_shards(orders, shuffled(lines)))


def test_what_leaves_a_worker_that_fails_has_no_value() -> None:
    def failing(wrong: Exception) -> Iterator[int]:
        yield 1
        raise wrong

    for wrong, said in (
        (KeyError("canary"), r"KeyError in test_spark_workers\.py, line \d+\."),
        (BatchError("a.ndjson", "cannot be read.", "Fetch it again."), "a.ndjson: cannot be read"),
    ):
        with pytest.raises(WorkerError, match=said) as caught:
            list(in_sentences(failing(wrong)))
        assert "canary" not in str(caught.value)
        assert caught.value.__suppress_context__
