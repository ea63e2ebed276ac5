"""This machine's own process: sorted on disk, then shard after shard. Memory: one shard."""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cds_service.batch import tables
from cds_service.batch.engine import Work
from cds_service.batch.job import table_row
from cds_service.batch.progress import Listener
from cds_service.batch.results import AssessedResult
from cds_service.batch.scoring import Record, assess_records
from cds_service.batch.sorting import Sorted, sort_by_patient
from cds_service.batch.sources_of import sources_of, support_of
from fhir_mapping.history import Source


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
        support, sources, job = (
            support_of(read),
            sources_of(work.arrived, read.tally.types),
            work.job,
        )
        for shard in work.lacking:
            found = assess_records(
                _records(read, shard, sources),
                work.choice,
                job.as_of,
                support=support,
                assessor=job.assessor,
            )
            yield AssessedShard(shard, [AssessedResult(job.row(each), each) for each in found])


def _records(read: Sorted, shard: int, sources: Mapping[str, Source]) -> list[Record]:
    raws: dict[str, list[bytes]] = defaultdict(list)
    for patient, raw in read.lines(shard):
        raws[patient].append(raw)
    return [Record(patient, raws[patient], sources) for patient in sorted(raws)]
