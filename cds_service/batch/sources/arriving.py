"""From what a user names as the source to files: a folder as it is, a server's export received first."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from cds_service.batch.arrived import Arrived
from cds_service.batch.backend import BackendTokens, registered
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import OneLine
from cds_service.batch.sources.bulk.asking import export_address
from cds_service.batch.sources.bulk.export import TYPES, arrive_by_export
from cds_service.batch.sources.bulk.increment import arrive_since
from cds_service.batch.sources.bulk.roster import roster
from cds_service.batch.sources.bulk.sending import Sender
from cds_service.fhir_server import outgoing_client
from cds_service.settings import Settings
from cds_service.smart.app_keys import read_app_keys
from cds_service.tenants import Tenant
from fhir_mapping.errors import ExportError
from fhir_mapping.exports import export_files

_SERVER: Final = ("http://", "https://")


def server_of(source: str, tenant: Tenant) -> str | None:
    """The tenant's FHIR server that a source is of, as its file writes it; of a folder the only one
    there is. Raises BatchError where the source is of another server."""
    if not source.startswith(_SERVER):
        return tenant.server_of(None)
    base, _ = export_address(source)
    found = tenant.server_of(base)
    if found is None:
        raise BatchError(
            "--from", "is no FHIR server of this tenant.", "List it in its fhir_servers."
        )
    return found


async def arrive(
    source: str,
    tenant: Tenant,
    settings: Settings,
    folder: Path,
    clock: Callable[[], datetime],
    *,
    before: Arrived | None = None,
) -> Arrived:
    """The files of the source; `folder` is where a server's are received. `before`: what an earlier
    run received; then only what changed since is asked for. Raises BatchError."""
    if not source.startswith(_SERVER):
        return _of_folder(Path(source))
    server_of(source, tenant)
    if not httpx.URL(source).path.rstrip("/").endswith("/$export"):
        raise BatchError(
            "--from",
            "is a FHIR server, and does not say what to take of it.",
            "End the address in /$export, /Patient/$export or /Group/ID/$export.",
        )
    async with outgoing_client() as http:
        return await _exported(source, tenant, settings, folder, http, clock, before)


async def _exported(
    source: str,
    tenant: Tenant,
    settings: Settings,
    folder: Path,
    http: httpx.AsyncClient,
    clock: Callable[[], datetime],
    before: Arrived | None,
) -> Arrived:
    known = registered(tenant, read_app_keys(settings.app_keys))
    base, _ = export_address(source)

    def tokens(reads: Sequence[str]) -> BackendTokens | None:
        return BackendTokens(http, base, known, reads=reads, clock=clock) if known else None

    members = await roster(source, Sender(http, tokens(("Group",))), folder)
    with OneLine() as shown:
        exporting = partial(
            arrive_by_export, source, http=http, clock=clock, tokens=tokens(TYPES), progress=shown
        )
        if before is None:
            return replace(await exporting(folder=folder), roster=members)
        return await arrive_since(before, exporting, roster=members, folder=folder, progress=shown)


def _of_folder(path: Path) -> Arrived:
    try:
        return Arrived(tuple(export_files(path)))
    except ExportError as wrong:
        raise BatchError("--from", str(wrong), "Name a folder of a FHIR export.") from None
