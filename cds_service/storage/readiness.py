"""Whether the store answers and its tables are this version's, or a later one's. Nothing is written:
a full disk shows in `readmit_store_failures`."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from cds_service.storage.revisions import suffices

PATIENCE_S = 1.0


async def unready(engine: AsyncEngine) -> str | None:
    """What is wrong, in a few words; None where nothing is."""
    try:
        async with asyncio.timeout(PATIENCE_S), engine.connect() as connection:
            migrated = await connection.run_sync(suffices)
    except Exception:  # a driver's own errors on connecting reach us unwrapped
        return "the database does not answer."
    return None if migrated else "the database is not migrated to this version."
