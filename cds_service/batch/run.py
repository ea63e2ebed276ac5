"""One run from source to targets, whichever they are: sort by patient, then shard after shard.

A shard is done when its rows lie in the run's folder, written after every target has taken it. A
run that was killed gives the shard in work to the targets again, and each takes it twice as once.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Final

from cds_service.batch.arrived import Arrived
from cds_service.batch.drafts import drafted
from cds_service.batch.engine import Engine, Work
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.progress import Listener
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.sorting import Sorted
from cds_service.batch.targets.target import Takes, Target

_SHARE: Final = 4
"""A shard's lines may take this part of the memory: they are held, decoded and scored."""
_UNPACKED: Final = 16
"""How much larger FHIR is than its gzip, at most, as a rule."""


async def score_arrived(
    arrived: Arrived,
    choice: Choice,
    job: Job,
    targets: Sequence[Target],
    folder: RunFolder,
    *,
    engine: Engine,
    memory: int,
    progress: Listener,
) -> Sorted:
    """Assess every chosen stay of what arrived and give each result to every target once.

    `memory`: bytes that a shard's work may take. Raises BatchError or StoreUnavailableError; the
    same call goes on from there.
    """
    shards = shards_of(arrived.files, memory, engine.most_shards)
    lacking = [shard for shard in range(shards) if not folder.is_done(shard)]
    takes = max((each.takes for each in targets), default=Takes.ROWS)
    named = replace(choice, named=arrived.stays)
    work = Work(arrived, named, job, folder, shards, lacking, takes)
    read = await engine.sort(work, progress)
    with drafted(folder.path / "aside.ndjson") as draft, draft.open("wb") as aside:
        aside.writelines(line + b"\n" for line in read.aside())
    patients, done = read.tally.types.get("Patient", 0), shards - len(lacking)
    async for shard in engine.shards(work, read):
        for target in targets:
            await target.write(shard.number, shard.results)
        shard.keep(folder.rows(shard.number))
        del shard  # else its results are held while the next is assessed
        done += 1
        progress.say("Score patients", patients * done // shards, patients)
    for target in targets:
        await target.finish(shards)
    return read


def shards_of(files: Sequence[Path], memory: int, most: int) -> int:
    """So many that the lines of one take no more than their share of the memory. Raises BatchError
    where that would be more than `most`."""
    size = sum(each.stat().st_size * (_UNPACKED if each.suffix == ".gz" else 1) for each in files)
    shards = max(1, ceil(size / (memory / _SHARE)))
    if shards > most:
        raise BatchError(
            "--memory",
            f"is too little for this source: {ceil(shards / most)} times as much is needed.",
            "Give more, or take --engine spark.",
        )
    return shards


def print_of(files: Sequence[Path]) -> str:
    """Of names and sizes: a run goes on only with the files that it began with."""
    named = sorted((each.name, each.stat().st_size) for each in files)
    return sha256(repr(named).encode()).hexdigest()
