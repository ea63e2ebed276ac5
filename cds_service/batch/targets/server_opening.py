"""Whether results may be written to a FHIR server, and the target that does."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final

import httpx

from cds_service.batch.calling.backend import BackendTokens, registered
from cds_service.batch.calling.patience import Surroundings, patiently
from cds_service.batch.calling.sending import Sender
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.progress import Listener
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.targets.ledger import StoreLedger
from cds_service.batch.targets.once import Once
from cds_service.batch.targets.pieces import LOOKUPS, RISK_ASSESSMENT
from cds_service.batch.targets.server import ServerTarget
from cds_service.batch.targets.statement import Way, way_of
from cds_service.dependencies import system_clock
from cds_service.fhir_server import outgoing_client
from cds_service.settings import Settings
from cds_service.smart.app_keys import read_app_keys
from cds_service.storage.store import Store
from cds_service.tenants import Tenant

SERVER: Final = "fhir"
_TO: Final = f"--to {SERVER}"


def check_server(tenant: Tenant, fhir_server: str | None) -> str:
    """The server that the tenant's results may be written to. Raises BatchError."""
    if tenant.silent:
        raise BatchError(
            _TO,
            f"the tenant {tenant.name} is silent, so no score goes where it could be seen.",
            "Name another target, or end the silence in the tenants file.",
        )
    if fhir_server is None:
        raise BatchError(
            _TO,
            "nobody can tell which FHIR server the patients are of.",
            "List it in the tenant's fhir_servers; of several, take the source from the server.",
        )
    return fhir_server


async def open_server(
    folder: RunFolder,
    job: Job,
    settings: Settings,
    held: AsyncExitStack,
    progress: Listener,
    store: Callable[[], Awaitable[Store]],
) -> ServerTarget:
    """Ask the server how it can be written to. `store` opens the store, for a server of which
    nothing can be asked. Raises BatchError or StartRefusedError."""
    base = check_server(job.tenant, job.fhir_server)
    http = await held.enter_async_context(outgoing_client())
    sender = Sender(http, _tokens(http, base, job, settings))
    around = Surroundings(sender, system_clock, asyncio.sleep, progress)
    ways = await _ways(around, base)
    notes = any(way.how == "note" for way in ways.values())
    ledger = StoreLedger(await store(), job.tenant.name, base) if notes else None
    return ServerTarget(Once(around, base, ways, ledger), job, folder, tuple(ways), progress)


def _tokens(
    http: httpx.AsyncClient, base: str, job: Job, settings: Settings
) -> BackendTokens | None:
    known = registered(job.tenant, read_app_keys(settings.app_keys))
    if known is None:
        return None
    kinds = tuple(LOOKUPS)
    return BackendTokens(http, base, known, reads=kinds, writes=kinds, clock=system_clock)


async def _ways(around: Surroundings, base: str) -> dict[str, Way]:
    """By kind, of those that the server takes. A server that shows no statement says nothing."""
    answer = await patiently(around, "GET", f"{base.rstrip('/')}/metadata", {}, None)
    statement = answer.body if answer.status == 200 else b""
    found = {kind: way_of(statement, kind, lookups) for kind, lookups in LOOKUPS.items()}
    if found[RISK_ASSESSMENT] is None:
        raise BatchError(
            base,
            "says in its CapabilityStatement that it takes no RiskAssessment.",
            "Ask those who run the server, or name another target.",
        )
    return {kind: way for kind, way in found.items() if way}
