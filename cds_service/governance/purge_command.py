"""`readmit purge`: remove sealed contents; the rows and the chain stay. No patient is named."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import typer

from cds_service.dependencies import system_clock
from cds_service.environment import settings_from
from cds_service.errors import StartRefusedError
from cds_service.governance.opening import opened, progress, refusals_said, say
from cds_service.governance.verification import check_stored
from cds_service.settings import Settings
from cds_service.storage.purging import (
    Selection,
    count,
    of_assessment,
    of_patient,
    purge_some,
    reclaim,
    stored_before,
)
from cds_service.tenants_file import load_tenants


def purge_command(
    tenant: Annotated[str, typer.Option(help="Whose contents.")],
    older_than_retention: Annotated[
        bool, typer.Option(help="What is older than the tenant's retention_days.")
    ] = False,
    before: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="What was stored before that day (UTC)."),
    ] = None,
    patient: Annotated[str | None, typer.Option(help="Everything of one patient.")] = None,
    assessment: Annotated[str | None, typer.Option(help="One assessment, by its id.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say how much it would be.")] = False,
) -> None:
    """Remove inputs, evidence, cards and comments for good; ids, digests and results stay."""
    given = (older_than_retention or None, before, patient, assessment)
    if sum(each is not None for each in given) != 1:
        raise typer.BadParameter(
            "give one of --older-than-retention, --before, --patient and --assessment"
        )
    with refusals_said():
        settings, now = settings_from({}), system_clock()
        if older_than_retention:
            selection = stored_before(now - _retention(settings, tenant))
        elif before:
            selection = stored_before(before.replace(tzinfo=UTC))
        else:
            selection = of_patient(patient) if patient else of_assessment(assessment or "")
        moment = None if dry_run else now
        found = asyncio.run(
            _purge(settings, tenant, selection, listed=older_than_retention, now=moment)
        )
    say(f"{tenant}: {found} sealed records {'would be' if dry_run else 'were'} removed")


def _retention(settings: Settings, tenant: str) -> timedelta:
    listed = load_tenants(settings.tenants) if settings.tenants else ()
    for each in listed:
        if each.name == tenant:
            return timedelta(days=each.retention_days)
    raise StartRefusedError(f"{tenant}: no tenant of that name in the file of READMIT_TENANTS")


async def _purge(
    settings: Settings, tenant: str, selection: Selection, *, listed: bool, now: datetime | None
) -> int:
    """How many were selected; removed and linked at `now`, unless it is None. `listed`: the tenants
    file names the tenant, who then may have nothing stored yet."""
    async with opened(settings) as store:
        async with store.database.reading() as reading:
            if not listed:
                await check_stored(reading, tenant)
            found = await count(reading, tenant, selection)
        if now is None:
            return found
        removed = 0
        with progress() as bar:
            advance = partial(bar.advance, bar.add_task("purging", total=found))
            page = -1
            while page:
                async with store.database.writing() as connection:
                    page = await purge_some(connection, tenant, selection, now=now)
                removed += page
                advance(page)
        if not await reclaim(store.database):
            say("the write-ahead log is in use and still holds them, encrypted: run this again")
        return removed
