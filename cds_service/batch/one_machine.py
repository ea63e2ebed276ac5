"""This machine's own process: sorted on disk, then shard after shard. Memory: one shard."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cds_service.batch import tables
from cds_service.batch.engine import Work
from cds_service.batch.job import table_row
from cds_service.batch.progress import Listener
from cds_service.batch.records import records_of, support_of
from cds_service.batch.results import AssessedResult
from cds_service.batch.scoring import assess_records
from cds_service.batch.sorting import Sorted, sort_by_patient


@dataclass(frozen=True)
class AssessedShard:
    """A shard as it was assessed here."""

    number: int
    results: Sequence[AssessedResult]

    def keep(self, file: Path) -> None:
        """As in Shard."""
        rows = [table_row(each.row, each.assessed.assessment) for each in self.results]
        tables.write_shard(rows, file)


class OneMachine:
    """No more files are open at once than there may be shards."""

    most_shards = 500

    async def sort(self, work: Work, progress: Listener) -> Sorted:
        """As in Engine."""
        return sort_by_patient(
            work.arrived.files,
            work.folder.sorted,
            work.shards,
            step=lambda done, of: progress.say("Sort by patient", done, of),
        )

    async def shards(self, work: Work, read: Sorted) -> AsyncIterator[AssessedShard]:
        """As in Engine."""
        support, job = support_of(read), work.job
        for shard in work.lacking:
            found = assess_records(
                records_of(_by_patient(read.lines(shard)), work.arrived, read.tally.types),
                work.choice,
                job.as_of,
                support=support,
                assessor=job.assessor,
            )
            yield AssessedShard(shard, [AssessedResult(job.row(each), each) for each in found])


def _by_patient(lines: Iterable[tuple[str, bytes]]) -> list[tuple[str, list[bytes]]]:
    raws: dict[str, list[bytes]] = defaultdict(list)
    for patient, raw in lines:
        raws[patient].append(raw)
    return sorted(raws.items())
