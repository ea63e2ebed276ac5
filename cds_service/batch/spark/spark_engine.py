"""A run by many machines: lines read and shuffled by patient, shards assessed by Spark's workers.

One job does both. Workers put what they find into the run's folder; the driver watches it, so that
targets, their secrets and the order of a run stay here.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

from cds_service.batch.engine import Shard, Work
from cds_service.batch.one_machine import AssessedShard
from cds_service.batch.progress import Listener
from cds_service.batch.sorting import Sorted
from cds_service.batch.spark.orders import NotSharedError, Orders, orders_of, there, worked_in
from cds_service.batch.spark.pieces import sorted_pieces
from cds_service.batch.spark.reading import LINES, read_pieces
from cds_service.batch.spark.scoring import DONE, score_shards
from cds_service.batch.spark.session import refusal, spark_session
from cds_service.batch.spark.worked import WorkedShard
from fhir_mapping.shards import SEEN

_LOOK: Final = 0.5
"""Seconds between two looks into the run's folder."""


@contextmanager
def spark_engine(master: str | None) -> "Iterator[SparkEngine]":
    """Spark is started by the first thing there is to do, and stopped in the end."""
    with ExitStack() as held:
        yield SparkEngine(master, held)


class SparkEngine:
    """`loads`: by worker process, how many bundles it has loaded; there when the job is over."""

    most_shards = 10_000

    def __init__(self, master: str | None, held: ExitStack) -> None:
        """`held`: what is to be closed in the end."""
        self._master, self._held = master, held
        self._job: asyncio.Task[list[Any]] | None = None
        self._worked: frozenset[int] = frozenset()
        self.loads: Mapping[str, int] = {}

    async def sort(self, work: Work, progress: Listener) -> Sorted:
        """As in Engine; shards are assessed meanwhile."""
        orders = orders_of(work)
        groups = orders.groups
        whole = sum((each / SEEN).is_file() for each in groups)
        if orders.lacking or whole < len(groups):
            progress.say("Start Spark")
            session = self._held.enter_context(spark_session(self._master))
            self._job = asyncio.create_task(asyncio.to_thread(_done, session, orders))
            self._held.callback(self._job.cancel)  # nobody waits for it any more
        while whole < len(groups) and await self._goes_on():
            whole = sum((each / SEEN).is_file() for each in groups)
            progress.say("Sort by patient", whole, len(groups))
        try:
            return sorted_pieces(orders.pieces, groups)
        except FileNotFoundError:
            raise NotSharedError from None

    async def shards(self, work: Work, read: Sorted) -> AsyncIterator[Shard]:
        """As in Engine, as workers finish them."""
        folder, left, more = worked_in(work.folder.path), {*work.lacking}, True
        while more:  # to the end of the job: a task ends after its shard is there
            more = await self._goes_on()
            for number in sorted(left & there(folder)):
                left.remove(number)
                yield WorkedShard(number, folder)
        if left & self._worked:
            raise NotSharedError
        for number in sorted(left):
            yield AssessedShard(number, ())  # no patient is in it
        shutil.rmtree(folder, ignore_errors=True)

    async def _goes_on(self) -> bool:
        """A moment later: False when the job is over. Raises BatchError when it failed."""
        if self._job is None:
            return False
        over, _ = await asyncio.wait([self._job], timeout=_LOOK)
        if over:
            rows = await self._job
            self.loads = {row.worker: row.loads for row in rows}
            self._worked = frozenset(row.shard for row in rows)
        return not over


def _done(session: Any, orders: Orders) -> list[Any]:
    """A row (scoring.py, DONE) for each shard with a patient. Raises BatchError."""
    pieces = len(orders.pieces)
    try:
        numbers = session.range(0, pieces, 1, max(pieces, 1))
        lines = numbers.mapInArrow(partial(read_pieces, orders), LINES)
        by_patient = lines.repartition(orders.shards, "shard").sortWithinPartitions(
            "shard", "patient", "place"
        )
        found: list[Any] = by_patient.mapInArrow(partial(score_shards, orders), DONE).collect()
    except Exception as failed:
        raise refusal(failed) from None
    return found
