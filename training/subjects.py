"""What a reader of training data delivers: one patient at a time, in the mapping's own words.

Readers are mimic.py (tables) and fhir_cohort.py (an export). cohort.py needs nothing else of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from fhir_mapping.history import PatientHistory, Sources


@dataclass(frozen=True)
class Subject:
    """One patient. `notes`: the discharge summary of a stay, by visit id, as written.

    `era` is what the temporal split goes by (MIMIC: anchor_year_group); "" where unknown.
    """

    subject_id: str
    history: PatientHistory
    sources: Sources
    notes: Mapping[str, str] = field(default_factory=dict)
    era: str = ""


class Progress(Protocol):
    """Told how far a long step is; the command line draws a bar of it."""

    def __call__(self, task: str, done: int, total: int) -> None: ...


class Reader(Protocol):
    """A source of subjects, cut into shards by patient so that a killed run resumes."""

    name: str
    follow_up_until: datetime

    def fingerprint(self) -> str:
        """Changes when the data does: a cohort is resumed on the same data only."""
        ...

    def prepare(self, work: Path, shards: int, progress: Progress) -> None:
        """What must be done once before any shard, kept below `work`; resumable."""
        ...

    def subjects(self, shard: int) -> Iterator[Subject]:
        """The patients of one shard in a fixed order."""
        ...
