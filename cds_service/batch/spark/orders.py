"""What a worker is told: all that it needs to know, no secret, nothing of a patient but stays by id."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

from cds_service.batch.arrived import Arrived
from cds_service.batch.engine import Work
from cds_service.batch.errors import BatchError
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.spark.pieces import Piece, pieces_of
from cds_service.batch.targets.target import Takes
from cds_service.tenants import Tenant
from fhir_mapping.profiles import Profile
from model.bundle import Bundle

ROWS: Final = ".parquet"


class NotSharedError(BatchError):
    """A worker's machine lacks what the run's machine has."""

    def __init__(self) -> None:
        super().__init__(
            "Spark",
            "a worker does not see the files of this run.",
            "Keep the source and --run on storage that every machine has at the same path.",
        )


@dataclass(frozen=True)
class Orders:
    """`run`: the run's folder, `bundle`: a copy of the bundle in it; both the same path on every
    machine. `lacking`: shards that no worker has put there yet. `arrived`: what concerns records."""

    run: Path
    pieces: tuple[Piece, ...]
    shards: int
    lacking: frozenset[int]
    arrived: Arrived
    choice: Choice
    run_id: str
    tenant: Tenant
    service_id: str
    as_of: datetime
    fhir_server: str | None
    bundle: Path
    bundle_digest: str
    profile: Profile | None
    site_base_rate: float | None
    takes: Takes

    @property
    def groups(self) -> list[Path]:
        """For each piece the folder that says what became of its lines (sorting.py)."""
        return [group_of(self.run, number) for number in range(len(self.pieces))]

    @property
    def worked(self) -> Path:
        """Where workers put shards."""
        return worked_in(self.run)


def worked_in(run: Path) -> Path:
    """Where workers put the shards of a run."""
    return run / "worked"


def there(folder: Path) -> set[int]:
    """The shards that workers have put there, whole."""
    return {int(each.stem) for each in folder.glob(f"[0-9]*{ROWS}")}


def group_of(run: Path, piece: int) -> Path:
    """The folder of one piece."""
    return RunFolder(run).sorted / f"sorted-{piece:05d}"


def orders_of(work: Work) -> Orders:
    """The orders for a run. Raises BatchError where its folder cannot be written."""
    run, job = work.folder.path.absolute(), work.job
    assessor = job.assessor
    return Orders(
        run=run,
        pieces=pieces_of(_absolute(work.arrived.files)),
        shards=work.shards,
        lacking=frozenset(work.lacking) - there(worked_in(run)),
        arrived=replace(work.arrived, files=(), stays=None, deleted=(), gone={}, roster=None),
        choice=work.choice,
        run_id=job.run_id,
        tenant=job.tenant,
        service_id=job.service.id,
        as_of=job.as_of,
        fhir_server=job.fhir_server,
        bundle=_copied(assessor.bundle, run),
        bundle_digest=assessor.bundle.digest,
        profile=assessor.profile,
        site_base_rate=assessor.site_base_rate,
        takes=work.takes,
    )


def _absolute(files: Sequence[Path]) -> list[Path]:
    return [file.absolute() for file in files]


def _copied(bundle: Bundle, run: Path) -> Path:
    """The bundle in the run's folder, which every worker sees."""
    copy = run / f"bundle-{bundle.digest[:12]}"
    draft = copy.with_name(f".{copy.name}-{uuid4().hex}.part")
    try:
        if not copy.is_dir():
            shutil.copytree(bundle.path, draft)
            draft.replace(copy)
    except OSError as wrong:
        shutil.rmtree(draft, ignore_errors=True)
        raise BatchError(
            run.name,
            f"cannot be written ({wrong.strerror or 'input/output error'}).",
            "Free space there and run the same command again.",
        ) from None
    return copy
