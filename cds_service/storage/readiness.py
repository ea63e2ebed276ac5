"""Whether the store answers and its tables are this version's. Nothing is written: a full disk shows
in `readmit_store_failures`."""

import asyncio
from functools import cache

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

import cds_service.storage.migrations

PATIENCE_S = 1.0


async def unready(engine: AsyncEngine) -> str | None:
    """What is wrong, in a few words; None where nothing is."""
    try:
        async with asyncio.timeout(PATIENCE_S), engine.connect() as connection:
            revision = await connection.run_sync(_revision)
    except Exception:  # a driver's own errors on connecting reach us unwrapped
        return "the database does not answer."
    return None if revision == _head() else "the database is not migrated to this version."


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _head() -> str | None:
    (folder,) = cds_service.storage.migrations.__path__
    return ScriptDirectory(folder).get_current_head()
