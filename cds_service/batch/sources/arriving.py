"""From what a user names as the source to files: a folder here as it is, one elsewhere copied, a server's
export or what it has of some patients received first."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

import httpx

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.backend import BackendTokens, Registered, registered
from cds_service.batch.calling.sending import Sender
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import OneLine
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.bulk.export import TYPES, arrive_by_export
from cds_service.batch.sources.bulk.increment import arrive_since
from cds_service.batch.sources.bulk.roster import GROUP, roster
from cds_service.batch.sources.folders import arrive_from_folder, is_elsewhere
from cds_service.batch.sources.searching.asking import (
    asked_of,
    base_of,
    changed_since,
    classes_of,
    is_export,
)
from cds_service.batch.sources.searching.search import arrive_by_search
from cds_service.fhir_server import outgoing_client
from cds_service.settings import Settings
from cds_service.smart.app_keys import read_app_keys
from cds_service.tenants import Tenant
from fhir_mapping.errors import ExportError
from fhir_mapping.exports import export_files
from fhir_mapping.history import Role
from fhir_mapping.profiles import Profile, load_profile

_SERVER: Final = ("http://", "https://")
_USUAL: Final = "us_core"


@dataclass(frozen=True)
class Wanted:
    """Whose records a run is after, where its source leaves that open: the stays that it would
    choose, of which role, or a list of ids. `before`: what an earlier run received; then only what
    changed since is asked for."""

    choice: Choice
    role: Role
    ids: Sequence[str] | None = None
    before: Arrived | None = None


def server_of(source: str, tenant: Tenant) -> str | None:
    """The tenant's FHIR server that a source is of, as its file writes it; of a folder the only one
    there is. Raises BatchError where the source is of another server."""
    if not source.startswith(_SERVER):
        return tenant.server_of(None)
    found = tenant.server_of(base_of(source))
    if found is None:
        raise BatchError(
            "--from", "is no FHIR server of this tenant.", "List its base in its fhir_servers."
        )
    return found


async def arrive(
    source: str,
    wanted: Wanted,
    tenant: Tenant,
    settings: Settings,
    folder: Path,
    clock: Callable[[], datetime],
) -> Arrived:
    """The files of the source; `folder` is where those from elsewhere are received. Raises BatchError."""
    if not source.startswith(_SERVER):
        return _of_folder(source, wanted, folder)
    server_of(source, tenant)
    known = registered(tenant, read_app_keys(settings.app_keys))
    async with outgoing_client() as http:
        server = _Server(source, folder, http, clock, known)
        if is_export(source):
            return await _exported(server, wanted)
        return await _searched(server, wanted, load_profile(tenant.profile or _USUAL))


@dataclass(frozen=True)
class _Server:
    """A source at a FHIR server, and how batch is registered there."""

    source: str
    folder: Path
    http: httpx.AsyncClient
    clock: Callable[[], datetime]
    registration: Registered | None

    def tokens(self, reads: Sequence[str]) -> BackendTokens | None:
        """Tokens for reading these types, where it asks for any."""
        if self.registration is None:
            return None
        base = base_of(self.source)
        return BackendTokens(self.http, base, self.registration, reads=reads, clock=self.clock)


async def _exported(server: _Server, wanted: Wanted) -> Arrived:
    if wanted.ids is not None:
        raise _no_ids()
    folder = server.folder
    members = await roster(server.source, Sender(server.http, server.tokens((GROUP,))), folder)
    with OneLine() as shown:
        exporting = partial(
            arrive_by_export,
            server.source,
            http=server.http,
            clock=server.clock,
            tokens=server.tokens(TYPES),
            progress=shown,
        )
        if wanted.before is None:
            return replace(await exporting(folder=folder), roster=members)
        return await arrive_since(
            wanted.before, exporting, roster=members, folder=folder, progress=shown
        )


async def _searched(server: _Server, wanted: Wanted, profile: Profile) -> Arrived:
    asked = asked_of(server.source, wanted.choice, classes_of(profile, wanted.role), wanted.ids)
    if wanted.before and wanted.before.transaction_time:
        asked = changed_since(asked, wanted.before.transaction_time)
    with OneLine() as shown:
        return await arrive_by_search(
            asked,
            folder=server.folder,
            http=server.http,
            clock=server.clock,
            tokens=server.tokens((*TYPES, GROUP) if asked.group else TYPES),
            progress=shown,
        )


def _of_folder(source: str, wanted: Wanted, folder: Path) -> Arrived:
    if wanted.ids is not None:
        raise _no_ids()
    if is_elsewhere(source):
        with OneLine() as shown:
            return arrive_from_folder(source, folder=folder, progress=shown)
    try:
        return Arrived(tuple(export_files(Path(source))))
    except ExportError as wrong:
        raise BatchError("--from", str(wrong), "Name a folder of a FHIR export.") from None


def _no_ids() -> BatchError:
    return BatchError("--ids", "goes with the base of a FHIR server.", "Leave one of the two out.")
