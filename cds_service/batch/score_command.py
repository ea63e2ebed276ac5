"""`readmit score`: every chosen stay of a source, assessed as the hook would, into the targets."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from cds_service.batch.arrived import Arrived
from cds_service.batch.deleted import gone_of, purge_deleted
from cds_service.batch.earlier import earlier_run, keep_arrived
from cds_service.batch.engine import Engine
from cds_service.batch.engines import Name, engine_of
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.progress import OneLine
from cds_service.batch.run import print_of, score_arrived
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.arriving import Wanted, arrive, server_of
from cds_service.batch.sources.searching.asking import read_ids
from cds_service.batch.summary import summary
from cds_service.batch.targets.opening import DATABASE, check_targets, open_target
from cds_service.batch.targets.server import written_of
from cds_service.batch.targets.server_opening import SERVER, check_server
from cds_service.batch.telling import tell, tell_arrived, tell_deleted
from cds_service.batch.whose import tenant_named
from cds_service.dependencies import system_clock
from cds_service.environment import settings_from
from cds_service.governance.opening import opened, refusals_said
from cds_service.services import Offered, offered
from cds_service.settings import MEBIBYTE, READMISSION, Settings
from cds_service.tenants import Tenant
from fhir_mapping.catalogue import CATALOGUE

_DAY = ["%Y-%m-%d"]
_NOT_WHOLE = 1
"""A target did not take everything."""
_MODEL = 416
"""MiB of Python, its libraries and a bundle: 404 with the demonstration's."""


def score_command(
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="Folder of NDJSON (.gz too) or Bundles, also s3:// and the like; or a FHIR server's"
            " base, base/Encounter?..., base/Group/ID or base/$export.",
        ),
    ],
    targets: Annotated[
        list[str],
        typer.Option(
            "--to",
            help="FILE.csv, FILE.parquet, FILE.ndjson (RiskAssessments), database or fhir; several.",
        ),
    ],
    run: Annotated[
        Path | None, typer.Option(help="Folder of the run; name it again to take the run up again.")
    ] = None,
    after: Annotated[
        Path | None,
        typer.Option(help="Folder of an earlier run of the source: only what changed since it."),
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
    ids: Annotated[
        Path | None,
        typer.Option(help="With a server's base: file of Patient/ID and Encounter/ID lines."),
    ] = None,
    memory: Annotated[
        int, typer.Option(min=512, help="MiB that the run may take, model included.")
    ] = 2048,
    engine: Annotated[
        Name, typer.Option(help="Who works: this machine, or Spark (needs readmit-cds[spark]).")
    ] = "local",
    master: Annotated[
        str | None,
        typer.Option(help="Spark's master URL; else as Spark is configured, or local[*]."),
    ] = None,
) -> None:
    """Score every discharge of a source. A run that was stopped goes on with the same command."""
    asked: dict[str, str | int | None] = {
        "from": source,
        "to": " ".join(sorted(targets)),
        "after": after.name if after else None,
        "tenant": tenant,
        "service": service,
        "stays": stays,
        "since": since.date().isoformat() if since else None,
        "until": until.date().isoformat() if until else None,
        "ids": str(ids) if ids else None,
        "memory": memory,
        "engine": engine,
    }
    with refusals_said():
        choice = _choice(stays, since, until)
        now = system_clock()
        folder = RunFolder(run or Path("runs") / f"score-{now:%Y%m%d-%H%M%S}")
        before = None if after is None else earlier_run(after, asked)
        works = engine_of(engine, master)
        whole = asyncio.run(_score(source, targets, choice, folder, asked, now, before, works))
    if not whole:
        raise typer.Exit(_NOT_WHOLE)


async def _score(
    source: str,
    targets: Sequence[str],
    choice: Choice,
    folder: RunFolder,
    asked: dict[str, Any],
    now: datetime,
    before: Arrived | None,
    works: AbstractContextManager[Engine],
) -> bool:
    """Whether every target took everything."""
    check_targets(targets)
    settings = settings_from({})
    mine = tenant_named(settings, asked["tenant"])
    if SERVER in targets:
        check_server(mine, server_of(source, mine))
    offer = _service(settings, mine, asked["service"])
    wanted = Wanted(choice, offer.of(mine).rules.role, _listed(asked["ids"]), before)
    arrived = await arrive(source, wanted, mine, settings, folder.received, system_clock)
    works_with = {"bundle": offer.of(mine).bundle.digest, "mapping": CATALOGUE.digest}
    as_of = folder.begin(asked | works_with | {"files": print_of(arrived.files)}, now)
    keep_arrived(arrived, folder)
    job = Job(folder.run_id, mine, offer, as_of, server_of(source, mine))
    async with AsyncExitStack() as held:
        shown = held.enter_context(OneLine())
        into = [await open_target(each, folder, job, settings, held, shown) for each in targets]
        read = await score_arrived(
            arrived,
            choice,
            job,
            into,
            folder,
            engine=held.enter_context(works),
            memory=(asked["memory"] - _MODEL) * MEBIBYTE,
            progress=shown,
        )
    shards = sorted((folder.path / "rows").glob("*.parquet"))
    written = written_of(folder)
    found = summary(shards, read.tally, job.assessor.bundle) | {"fhir": written}
    await _purge(job, arrived, settings, stored=DATABASE in targets)
    tell_arrived(arrived)
    tell(found, [each.name for each in into], folder.keep_summary(found))
    return not (written and written["refused"])


async def _purge(job: Job, arrived: Arrived, settings: Settings, *, stored: bool) -> None:
    purged = None
    if stored and arrived.deleted:
        async with opened(settings) as store:
            purged = await purge_deleted(store, job, gone_of(arrived), system_clock())
    tell_deleted(len(arrived.deleted), purged)


def _choice(
    stays: Literal["finished", "open"], since: datetime | None, until: datetime | None
) -> Choice:
    """Raises BatchError where nobody could be meant."""
    if stays == "open" and (since or until):
        raise BatchError(
            "--since, --until",
            "bound the day on which a stay ended; open ones have none.",
            "Leave them out, or --stays open.",
        )
    if since and until and since >= until:
        raise BatchError("--until", "is not after --since.", "No day lies in between.")
    return Choice(stays, since and since.replace(tzinfo=UTC), until and until.replace(tzinfo=UTC))


def _listed(ids: str | None) -> tuple[str, ...] | None:
    """The lines of --ids. Raises BatchError."""
    if ids is None:
        return None
    try:
        return read_ids(Path(ids).read_text("utf-8"))
    except (OSError, UnicodeError):
        raise BatchError("--ids", "cannot be read as text.", "Name a file that can.") from None


def _service(settings: Settings, tenant: Tenant, service: str) -> Offered:
    """Raises StartRefusedError or BatchError."""
    services = offered(settings.bundles, [tenant], critical_outcome=settings.critical_outcome)
    if service not in services:
        raise BatchError("--service", "no such service.", f"Offered: {', '.join(services)}.")
    return services[service]
