"""One run from source to targets, whichever they are: sort by patient, then shard after shard.

A shard is done when its rows lie in the run's folder, written after every target has taken it. A
run that was killed gives the shard in work to the targets again, and each takes it twice as once.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Final

from cds_service.batch import tables
from cds_service.batch.arrived import Arrived
from cds_service.batch.drafts import drafted
from cds_service.batch.job import Job, table_row
from cds_service.batch.progress import Listener
from cds_service.batch.results import Result
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice, Record, assess_records
from cds_service.batch.sorting import Sorted, sort_by_patient
from cds_service.batch.targets.target import Target
from fhir_mapping.history import DataIssue, Source
from fhir_mapping.resources import decode
from fhir_mapping.support import Support

MOST_SHARDS: Final = 500
_SHARE: Final = 8
"""A shard's lines may take this part of the memory: they are held, decoded and scored."""
_UNPACKED: Final = 12
"""How much larger FHIR is than its gzip, at most, as a rule."""


async def score_arrived(
    arrived: Arrived,
    choice: Choice,
    job: Job,
    targets: Sequence[Target],
    folder: RunFolder,
    *,
    memory: int,
    progress: Listener,
) -> Sorted:
    """Assess every chosen stay of what arrived and give each result to every target once.

    `memory`: bytes that a shard's work may take. Raises BatchError or StoreUnavailableError; the
    same call goes on from there.
    """
    shards = shards_of(arrived.files, memory)
    read = sort_by_patient(
        arrived.files,
        folder.sorted,
        shards,
        step=lambda done, of: progress.say("Sort by patient", done, of),
    )
    with drafted(folder.path / "aside.ndjson") as draft, draft.open("wb") as aside:
        aside.writelines(line + b"\n" for line in read.aside())
    support, chosen = _support(read), replace(choice, named=arrived.stays)
    patients, seen = read.tally.types.get("Patient", 0), 0
    for shard in range(shards):
        records = _records(read, shard, sources_of(arrived, read), arrived.doubted)
        seen += len(records)
        if not folder.is_done(shard):
            found = assess_records(
                _wanted(records, arrived.patients),
                chosen,
                job.as_of,
                support=support,
                assessor=job.assessor,
            )
            await _deliver(shard, [Result(job.row(each), each) for each in found], targets, folder)
        progress.say("Score patients", seen, max(seen, patients))
    for target in targets:
        await target.finish(shards)
    return read


def shards_of(files: Sequence[Path], memory: int) -> int:
    """So many that the lines of one take no more than their share of the memory."""
    size = sum(each.stat().st_size * (_UNPACKED if each.suffix == ".gz" else 1) for each in files)
    return min(MOST_SHARDS, max(1, ceil(size / (memory / _SHARE))))


def print_of(files: Sequence[Path]) -> str:
    """Of names and sizes: a run goes on only with the files that it began with."""
    named = sorted((each.name, each.stat().st_size) for each in files)
    return sha256(repr(named).encode()).hexdigest()


def sources_of(arrived: Arrived, read: Sorted) -> Mapping[str, Source]:
    """`read` for each type that the source says it holds whole, or else that occurs."""
    types = read.tally.types.keys() if arrived.types is None else arrived.types
    return {name: "partial" if name in arrived.partial else "read" for name in sorted(types)}


async def _deliver(
    shard: int, results: Sequence[Result], targets: Sequence[Target], folder: RunFolder
) -> None:
    for target in targets:
        await target.write(shard, results)
    rows = [table_row(each.row, each.assessed.assessment) for each in results]
    tables.write_shard(rows, folder.rows(shard))


def _records(
    read: Sorted,
    shard: int,
    sources: Mapping[str, Source],
    doubted: Mapping[str, Collection[str]],
) -> list[Record]:
    raws: dict[str, list[bytes]] = defaultdict(list)
    for patient, raw in read.lines(shard):
        raws[patient].append(raw)
    return [
        Record(
            patient,
            raws[patient],
            {**sources, **dict.fromkeys(doubted.get(patient, ()), "partial")},
        )
        for patient in sorted(raws)
    ]


def _wanted(records: Sequence[Record], patients: frozenset[str] | None) -> Sequence[Record]:
    return [each for each in records if patients is None or each.patient_id in patients]


def _support(read: Sorted) -> Support:
    decoded = map(decode, read.shared())
    return Support(each for each in decoded if each and not isinstance(each, DataIssue))
