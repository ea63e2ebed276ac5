"""A batch says of a stay what the hook and the extraction say, once, however often it was killed."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars
import pytest

from cds_service.assessment import Scored, assess
from cds_service.batch.arrived import Arrived
from cds_service.batch.errors import BatchError
from cds_service.batch.extract_command import extract_export
from cds_service.batch.job import Job
from cds_service.batch.one_machine import OneMachine
from cds_service.batch.progress import Silent
from cds_service.batch.results import Result
from cds_service.batch.run import print_of, score_arrived, shards_of
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.sorting import Sorted
from cds_service.batch.summary import summary
from cds_service.batch.targets.database import DatabaseTarget
from cds_service.batch.targets.risk_assessments import RiskAssessmentTarget
from cds_service.batch.targets.tables import TableTarget
from cds_service.batch.targets.target import Takes, Target
from cds_service.recalled import recalled
from cds_service.records import Gathered
from cds_service.storage.store import Store
from cds_service.storage.vault import Vault
from fhir_mapping.exports import export_files, read_export
from tests.service.tampering import found

pytestmark = pytest.mark.data
MEMORY = 8 * 2**20  # so little that there are several shards
EXPORT = Path("synthea-bulk100") / "ndjson"


@pytest.fixture(scope="module")
def arrived(data_dir: Path) -> Arrived:
    return Arrived(tuple(export_files(data_dir / EXPORT)))


async def scored(
    arrived: Arrived,
    job: Job,
    folder: Path,
    targets: Sequence[Target] = (),
    *,
    memory: int = MEMORY,
) -> tuple[RunFolder, Sorted]:
    run = RunFolder(folder)
    read = await score_arrived(
        arrived, Choice(), job, targets, run, engine=OneMachine(), memory=memory, progress=Silent()
    )
    return run, read


def rows_of(run: RunFolder) -> polars.DataFrame:
    files = sorted((run.path / "rows").glob("*.parquet"))
    return polars.concat(map(polars.read_parquet, files)).sort("patient_id", "encounter_id")


@pytest.mark.slow
async def test_the_vectors_and_numbers_are_those_of_the_other_ways(
    arrived: Arrived, job: Job, tmp_path: Path, data_dir: Path
) -> None:
    run, _ = await scored(arrived, job, tmp_path / "run")
    rows = rows_of(run)
    export = read_export(data_dir / EXPORT)
    known = {(row["patient"], row["encounter"]): row for row in extract_export(export, None).rows}
    assert {*rows.select("patient_id", "encounter_id").iter_rows()} == {*known}
    for patient, resources in export.records():
        gathered = Gathered(tuple(resources), export.sources, ())
        for row in rows.filter(polars.col("patient_id") == patient).iter_rows(named=True):
            alone = assess(gathered, row["encounter_id"], job.as_of, assessor=job.assessor)
            assert row["vector_digest"] == (alone.vector and alone.vector.digest)
            shown = alone.score if isinstance(alone, Scored) else None
            assert row["probability"] == (shown and shown.probability)
            assert (row["interval_low"], row["interval_high"]) == (
                (shown and shown.interval) or (None, None)
            )


async def test_however_many_shards_the_results_are_the_same(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    assert shards_of(arrived.files, MEMORY, OneMachine.most_shards) > 3
    with pytest.raises(BatchError, match="--memory: is too little for this source: 2 times"):
        shards_of(arrived.files, MEMORY, 7)
    many, read = await scored(arrived, job, tmp_path / "many")
    one, read_again = await scored(arrived, job, tmp_path / "one", memory=2**31)
    assert rows_of(many).equals(rows_of(one))
    bundle = job.assessor.bundle
    assert said(many, read, bundle) == said(one, read_again, bundle)


def said(run: RunFolder, read: Sorted, bundle: Any) -> dict[str, Any]:
    return summary(sorted((run.path / "rows").glob("*.parquet")), read.tally, bundle)


class Killed(BaseException):
    """As a signal would: nothing catches it."""


class Killing:
    """A target that ends the process in the middle of a shard, before or after another took it."""

    name = "killing"
    takes = Takes.ROWS

    def __init__(self, at: int) -> None:
        self._left = at

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed

    async def finish(self, shards: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


@pytest.mark.slow
async def test_killed_anywhere_nothing_is_lost_and_nothing_is_there_twice(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    whole, read = await scored(arrived, job, tmp_path / "whole")
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite", Vault())
    await store.migrate()
    run = RunFolder(tmp_path / "run")
    choose = random.Random(3)  # noqa: S311 - no secret
    files = [TableTarget(tmp_path / "out.csv", run), TableTarget(tmp_path / "out.parquet", run)]
    stored = [
        RiskAssessmentTarget(tmp_path / "out.ndjson", run, job),
        DatabaseTarget(store, job.assessor.scorer, run),
    ]
    for _ in range(40):
        killing = Killing(choose.randrange(1, 4))
        into = [*files, *stored]
        into.insert(choose.randrange(len(into) + 1), killing)
        try:
            await scored(arrived, job, run.path, into)
        except Killed:
            continue
        break
    assert rows_of(run).equals(rows_of(whole))
    bundle = job.assessor.bundle
    assert said(run, read, bundle) == said(whole, read, bundle)
    rows = rows_of(whole)
    assert await uuids(store, rows) == sorted(rows["uuid"])
    assert len((tmp_path / "out.ndjson").read_text().splitlines()) == len(rows)
    assert len(polars.read_csv(tmp_path / "out.csv")) == len(rows)
    await store.close()


async def uuids(store: Store, rows: polars.DataFrame) -> list[str]:
    known = []
    for patient in rows["patient_id"].unique():
        known += [row["uuid"] for row in await store.of_patient("dev", patient)]
    return sorted(known)


@pytest.mark.slow
async def test_a_second_run_writes_nothing_new(arrived: Arrived, job: Job, tmp_path: Path) -> None:
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite", Vault())
    await store.migrate()
    for name in ("first", "second"):
        run = RunFolder(tmp_path / name)
        into = [DatabaseTarget(store, job.assessor.scorer, run)]
        await scored(arrived, job, run.path, into)
        rows = rows_of(run)
        assert await uuids(store, rows) == sorted(rows["uuid"])
        heads = await store.heads()
        assert [head.number for head in heads] == [len(rows)]
        assert await found(store) == []
    await store.close()


@pytest.mark.slow
async def test_what_is_stored_is_what_a_hook_would_have_stored(
    arrived: Arrived, job: Job, tmp_path: Path
) -> None:
    """With contributions and the resources that the values rest on, for the page."""
    store = Store(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite", Vault())
    await store.migrate()
    run = RunFolder(tmp_path / "run")
    await scored(arrived, job, run.path, [DatabaseTarget(store, job.assessor.scorer, run)])
    row = rows_of(run).filter(polars.col("outcome") == "scored").row(0, named=True)
    shown = await store.assessment("dev", row["uuid"])
    assert shown is not None
    assert (shown.row["hook"], shown.row["card_uuid"]) == ("batch", None)
    contents = recalled(shown.row, shown.contents).contents
    assert contents is not None
    assert contents.score == job.assessor.scorer.score(contents.values)
    assert contents.score.contributions
    assert {*contents.received} >= {each.reference for each in contents.evidence if each.reference}
    await store.close()


def test_a_run_goes_on_only_with_what_it_began_with(tmp_path: Path, job: Job) -> None:
    file = tmp_path / "a.ndjson"
    file.write_text("{}\n")
    run = RunFolder(tmp_path / "run")
    options: dict[str, str | int | None] = {"to": "a.csv", "files": print_of([file])}
    begun = run.begin(options, job.as_of)
    assert run.begin(options, job.as_of.replace(year=2031)) == begun
    file.write_text("{}\n{}\n")
    for other in ({"to": "b.csv"}, {"files": print_of([file])}):
        with pytest.raises(Exception, match=rf"run: .*{next(iter(other))}.*new folder"):
            run.begin(options | other, job.as_of)
