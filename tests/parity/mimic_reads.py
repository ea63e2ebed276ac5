"""The MIMIC demo by the table route: per stay its subject, its index stay and its vector."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay
from fhir_mapping.stay import finished_stays
from tests.parity.mimic_routes import AFTER_ALL
from training.mimic import MimicReader
from training.subjects import Subject

SHARDS = 3


@dataclass(frozen=True)
class Read:
    """What the tables gave for one stay."""

    subject: Subject
    stay: IndexStay
    vector: FeatureVector


Reads = Mapping[int, Read]


def quiet(task: str, done: int, total: int) -> None:
    assert 0 <= done <= total
    assert task


def read_all(reader: MimicReader, work: Path, shards: int = SHARDS) -> Reads:
    """hadm_id -> the stay as the tables have it."""
    reader.prepare(work, shards, quiet)
    return {int(read.stay.visit.id): read for n in range(shards) for read in stays_of(reader, n)}


def stays_of(reader: MimicReader, shard: int) -> Iterator[Read]:
    for subject in reader.subjects(shard):
        for stay in finished_stays(subject.history, AFTER_ALL):
            yield Read(subject, stay, extract(subject.history, stay, subject.sources))
