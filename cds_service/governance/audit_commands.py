"""`readmit audit`: verify, replay, export. What they say holds ids, digests and results only."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.environment import settings_from
from cds_service.errors import StartRefusedError
from cds_service.governance import verification
from cds_service.governance.export import export
from cds_service.governance.heads import read_heads
from cds_service.governance.opening import (
    UNUSABLE,
    opened,
    progress,
    refusals_said,
    say,
)
from cds_service.governance.recorded import (
    Compared,
    Recorded,
    Verdict,
    recorded,
    values_of,
    verdict_of,
)
from cds_service.settings import Settings
from cds_service.storage.links import heads
from cds_service.storage.store import Store

audit_app = typer.Typer(no_args_is_help=True, help="Look at what was stored.")
_EXIT: dict[Verdict, int] = {"same": 0, "differs": 1, "not_here": UNUSABLE, "purged": 3}
_MARKS = {True: ("=", "green"), False: ("!", "red"), None: ("-", None)}
_SHOWN = 20
_Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]


@audit_app.command("verify")
def verify_command(
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's chain.")] = None,
    heads_file: Annotated[
        Path | None,
        typer.Option("--heads", help="File of recorded heads; else READMIT_AUDIT_HEADS."),
    ] = None,
) -> None:
    """Say whether every stored row is as it was written. Exit 0: whole; 1: not."""
    with refusals_said():
        settings = settings_from({})
        witness = _witness(heads_file, settings)
        whole = asyncio.run(_verify(settings, tenant, witness))
    if not whole:
        raise typer.Exit(1)


@audit_app.command("replay")
def replay_command(
    uuid: Annotated[str, typer.Argument(metavar="ID", help="Id of the assessment.")],
    bundle: Annotated[
        list[Path] | None, typer.Option(help="Folder of a bundle, beside those of the settings.")
    ] = None,
) -> None:
    """Compute a past assessment again. Exit 0: the same; 1: not; 2: cannot be done here; 3: purged."""
    with refusals_said():
        settings = settings_from({})
        folders = [*(bundle or ()), *settings.bundles.values()]
        verdict = asyncio.run(_replay(settings, uuid, folders))
    raise typer.Exit(_EXIT[verdict])


@audit_app.command("export")
def export_command(
    out: Annotated[Path, typer.Option(help="NDJSON file to write.")],
    tenant: Annotated[str | None, typer.Option(help="Only this tenant's links.")] = None,
    since: _Day = None,
    until: _Day = None,
) -> None:
    """Write the chains as FHIR R4 AuditEvents and Provenances; days begin at midnight UTC."""
    with refusals_said():
        if not out.parent.is_dir():
            raise StartRefusedError(f"{out.parent}: no such folder; make it first")
        written = asyncio.run(_export(settings_from({}), out, tenant, since=since, until=until))
    say(f"{out}: {written} resources")


def _witness(given: Path | None, settings: Settings) -> Path | None:
    path = given or settings.audit_heads
    if path is not None and not path.is_file():
        raise StartRefusedError(f"{path}: no recorded heads here; name the file with --heads")
    return path


async def _verify(settings: Settings, tenant: str | None, witness: Path | None) -> bool:
    async with opened(settings) as store, store.database.reading() as connection:
        if witness is None:
            say("no recorded heads: a chain that was cut or written anew would pass for whole")
        found = await _verify_witness(connection, witness, tenant) if witness else 0
        if tenant and not found:
            await verification.check_stored(connection, tenant)
        for each in [tenant] if tenant else await verification.tenants(connection):
            found += await _verify_tenant(connection, each)
        if outside := await verification.unchained(connection):
            say(f"{outside} assessments are from before tenants: they are in no chain")
    say("Not whole: see docs/how-to/read-an-audit-row.md" if found else "Whole.")
    return not found


async def _verify_tenant(connection: AsyncConnection, tenant: str) -> int:
    total = {head.tenant: head.number for head in await heads(connection)}.get(tenant, 0)
    count = 0
    with progress() as bar:
        advance = partial(bar.advance, bar.add_task(tenant, total=total))
        async for finding in verification.verify(connection, tenant, advance):
            count += 1
            _say_finding(finding, count)
    say(f"{tenant}: {total} links, {count or 'nothing'} wrong")
    return count


async def _verify_witness(connection: AsyncConnection, witness: Path, tenant: str | None) -> int:
    count = unreadable = compared = 0
    for page in read_heads(witness):
        unreadable += page.count(None)
        ours = [head for head in page if head and tenant in (None, head.tenant)]
        compared += len(ours)
        async for finding in verification.against(connection, ours):
            count += 1
            _say_finding(finding, count)
    say(f"{witness}: {compared} recorded heads, {count or 'nothing'} wrong")
    if unreadable:
        say(f"{witness}: {unreadable} lines are no recorded heads, as a full disk leaves them")
    return count


def _say_finding(finding: verification.Finding, count: int) -> None:
    if count <= _SHOWN:
        where = finding.tenant if finding.number is None else f"{finding.tenant} {finding.number}"
        say(f"{where}: {finding.what}", "red")
    elif count == _SHOWN + 1:
        say("... and more", "red")


async def _replay(settings: Settings, uuid: str, folders: Iterable[Path]) -> Verdict:
    async with opened(settings) as store:
        found = await recorded(store, uuid)
        if found is None:
            say("no assessment has this id")
            return "not_here"
        return _replay_recorded(store, found, folders)


def _replay_recorded(store: Store, found: Recorded, folders: Iterable[Path]) -> Verdict:
    from cds_service.governance.replay import find_bundle, replay  # torch: not for every command

    row, sealed = found.row, found.stored.sealed
    as_written = found.as_written()
    _say_compared(as_written)
    if sealed is None:
        verdict, why = found.without_contents()
        say(why)
        return verdict
    values = values_of(store.vault.unseal(row["uuid"], sealed))
    bundle = find_bundle(row["bundle_digest"], folders)
    if bundle is None:
        say(f"the bundle is not here: name the folder of {row['bundle_digest']} with --bundle")
        return "not_here"
    findings = list(replay(row, values, bundle))
    for finding in findings:
        _say_compared(finding)
    return verdict_of([as_written, *findings])


def _say_compared(finding: Compared) -> None:
    mark, style = _MARKS[finding.holds]
    say(f"{mark} {finding.what}", style)


async def _export(
    settings: Settings,
    out: Path,
    tenant: str | None,
    *,
    since: datetime | None,
    until: datetime | None,
) -> int:
    async with opened(settings) as store, store.database.reading() as connection:
        if tenant:
            await verification.check_stored(connection, tenant)
        tenants = [tenant] if tenant else await verification.tenants(connection)
        total = sum(h.number for h in await heads(connection) if h.tenant in tenants)
        with progress() as bar:
            advance = partial(bar.advance, bar.add_task("links", total=total))
            return await export(
                connection, out, tenants, since=_utc(since), until=_utc(until), advance=advance
            )


def _utc(day: datetime | None) -> datetime | None:
    return day.replace(tzinfo=UTC) if day else None
