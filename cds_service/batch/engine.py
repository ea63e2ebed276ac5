"""Who works on the shards of a run: this machine alone, or the many of a Spark cluster."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cds_service.batch.arrived import Arrived
from cds_service.batch.job import Job
from cds_service.batch.progress import Listener
from cds_service.batch.results import Result
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.sorting import Sorted
from cds_service.batch.targets.target import Takes


@dataclass(frozen=True)
class Work:
    """What one run has to do, whoever does it. `lacking`: those of the shards that are not done."""

    arrived: Arrived
    choice: Choice
    job: Job
    folder: RunFolder
    shards: int
    lacking: Sequence[int]
    takes: Takes


class Shard(Protocol):
    """A shard whose stays are assessed."""

    @property
    def number(self) -> int:
        """Which."""

    @property
    def results(self) -> Sequence[Result]:
        """By patient; where no target takes results they may be absent."""

    def keep(self, file: Path) -> None:
        """Write them as a table (tables.py). Raises BatchError."""


class Engine(Protocol):
    """Sorts the lines, then assesses shard after shard. Both raise BatchError."""

    most_shards: int

    async def sort(self, work: Work, progress: Listener) -> Sorted:
        """The lines by patient, and what became of each."""

    def shards(self, work: Work, read: Sorted) -> AsyncIterator[Shard]:
        """Each lacking shard once, in any order."""
