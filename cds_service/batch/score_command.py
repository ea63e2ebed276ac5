"""`readmit score`: every chosen stay of a source, assessed as the hook would, into the targets."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cds_service.batch.arrived import Arrived
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.run import print_of, score_arrived
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.summary import summary
from cds_service.batch.targets.database import DatabaseTarget
from cds_service.batch.targets.risk_assessments import RiskAssessmentTarget
from cds_service.batch.targets.tables import TableTarget
from cds_service.batch.targets.target import Target
from cds_service.batch.telling import Steps, tell
from cds_service.dependencies import system_clock
from cds_service.environment import settings_from
from cds_service.errors import StartRefusedError
from cds_service.governance.opening import refusals_said
from cds_service.services import offered
from cds_service.settings import MEBIBYTE, READMISSION, Settings
from cds_service.storage.store import Store
from cds_service.storage.vault import Vault
from cds_service.tenants import Tenant, dev_tenant, load_tenants
from fhir_mapping.errors import ExportError
from fhir_mapping.exports import export_files

_DATABASE = "database"
_DAY = ["%Y-%m-%d"]


def score_command(
    source: Annotated[str, typer.Option("--from", help="Folder of NDJSON (.gz too) or Bundles.")],
    targets: Annotated[
        list[str],
        typer.Option(
            "--to",
            help="FILE.csv, FILE.parquet, FILE.ndjson (RiskAssessments) or database; several.",
        ),
    ],
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; name it again to take the run up again.")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="Whose patients; needed with tenants.")] = None,
    service: Annotated[str, typer.Option(help="Service id of the bundle.")] = READMISSION,
    stays: Annotated[
        Literal["finished", "open"], typer.Option(help="Those that are over, or in progress.")
    ] = "finished",
    since: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="Ended on that day or later (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="Ended before that day (UTC).")
    ] = None,
    memory: Annotated[
        int, typer.Option(min=256, help="MiB that the run may take, model included.")
    ] = 2048,
) -> None:
    """Score every discharge of a source. A run that was stopped goes on with the same command."""
    asked = {
        "from": source,
        "to": " ".join(sorted(targets)),
        "tenant": tenant,
        "service": service,
        "stays": stays,
        "since": since and since.date().isoformat(),
        "until": until and until.date().isoformat(),
        "memory": memory,
    }
    choice = Choice(stays, since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC))
    with refusals_said():
        now = system_clock()
        folder = RunFolder(run or Path("runs") / f"score-{now:%Y%m%d-%H%M%S}")
        asyncio.run(_score(source, targets, choice, folder, asked, now))


async def _score(
    source: str,
    targets: Sequence[str],
    choice: Choice,
    folder: RunFolder,
    asked: dict[str, Any],
    now: datetime,
) -> None:
    settings = settings_from({})
    arrived = _arrived(Path(source))
    as_of = folder.begin(asked | {"files": print_of(arrived.files)}, now)
    job = _job(settings, asked["tenant"], asked["service"], folder.run_id, as_of)
    async with AsyncExitStack() as held:
        into = [await _target(each, folder, job, settings, held) for each in targets]
        with Steps() as steps:
            read = await score_arrived(
                arrived,
                choice,
                job,
                into,
                folder,
                memory=asked["memory"] * MEBIBYTE,
                step=steps.step,
            )
    shards = sorted((folder.path / "rows").glob("*.parquet"))
    found = summary(shards, read.tally, job.assessor.bundle)
    tell(found, [each.name for each in into], folder.keep_summary(found))


def _arrived(path: Path) -> Arrived:
    try:
        return Arrived(tuple(export_files(path)))
    except ExportError as wrong:
        raise BatchError("--from", str(wrong), "Name a folder of a FHIR export.") from None


def _job(settings: Settings, tenant: str | None, service: str, run_id: str, as_of: datetime) -> Job:
    """The tenant's service. Raises StartRefusedError."""
    mine = _tenant(settings, tenant)
    services = offered(settings.bundles, [mine], critical_outcome=settings.critical_outcome)
    if service not in services:
        raise BatchError("--service", "no such service.", f"Offered: {', '.join(services)}.")
    return Job(run_id, mine, services[service], as_of, mine.server_of(None))


def _tenant(settings: Settings, name: str | None) -> Tenant:
    if settings.tenants is None:
        if name is not None:
            raise BatchError("--tenant", "there are none.", "Set READMIT_TENANTS.")
        return dev_tenant(settings.profile, settings.base_rate, address=settings.address)
    tenants = {each.name: each for each in load_tenants(settings.tenants)}
    if name not in tenants:
        raise BatchError("--tenant", "names no tenant.", f"Known: {', '.join(tenants)}.")
    return tenants[name]


async def _target(
    name: str, folder: RunFolder, job: Job, settings: Settings, held: AsyncExitStack
) -> Target:
    if name == _DATABASE:
        store = Store(settings.database, Vault(settings.storage_keys))
        held.push_async_callback(store.close)
        await store.migrate()
        return DatabaseTarget(store, job.assessor.scorer)
    file = Path(name)
    if file.suffix in (".csv", ".parquet"):
        return TableTarget(file, folder)
    if file.suffix == ".ndjson":
        return RiskAssessmentTarget(file, folder, job)
    raise StartRefusedError(
        f"--to {name}: ends in none of .csv, .parquet, .ndjson, and is not database."
    )
