"""From what a user names as a target to the target."""

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.progress import Listener
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.targets.database import DatabaseTarget
from cds_service.batch.targets.risk_assessments import RiskAssessmentTarget
from cds_service.batch.targets.server_opening import SERVER, open_server
from cds_service.batch.targets.tables import TableTarget
from cds_service.batch.targets.target import Target
from cds_service.errors import StartRefusedError
from cds_service.settings import Settings
from cds_service.storage.store import Store
from cds_service.storage.vault import Vault

DATABASE: Final = "database"
_TABLES: Final = (".csv", ".parquet")
_RESOURCES: Final = ".ndjson"


def check_targets(names: Sequence[str]) -> None:
    """Before anything is asked of a source, and the run bound to them. Raises StartRefusedError."""
    for name in names:
        if name not in (DATABASE, SERVER) and Path(name).suffix not in (*_TABLES, _RESOURCES):
            raise StartRefusedError(
                f"--to {name}: ends in none of .csv, .parquet, .ndjson, and is neither database nor"
                " fhir."
            )


async def open_target(
    name: str,
    folder: RunFolder,
    job: Job,
    settings: Settings,
    held: AsyncExitStack,
    progress: Listener,
) -> Target:
    """The target (`check_targets`); what it holds open is closed with `held`. Raises BatchError or
    StartRefusedError."""
    if name == DATABASE:
        return DatabaseTarget(await _store(settings, held), job.assessor.scorer, folder)
    if name == SERVER:
        store = partial(_store, settings, held)
        return await open_server(folder, job, settings, held, progress, store)
    file = Path(name)
    if file.suffix in _TABLES:
        return TableTarget(file, folder)
    return RiskAssessmentTarget(file, folder, job)


async def _store(settings: Settings, held: AsyncExitStack) -> Store:
    _check_place(settings.database)
    store = Store(settings.database, Vault(settings.storage_keys))
    held.push_async_callback(store.close)
    await store.migrate()
    return store


def _check_place(database: str) -> None:
    """Of SQLite: a folder that is not there is said before anything is opened in it."""
    with suppress(ArgumentError):  # the store says it better
        url = make_url(database)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").parent.is_dir():
            raise BatchError(
                "READMIT_DATABASE", "its folder is not there.", "Make it, or name another."
            )
