"""Client tokens that were used: each counts once, in every worker and after every restart."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.links import insert_once
from cds_service.storage.tables import SPENT_TOKEN

SWEPT_EVERY = timedelta(minutes=1)
_SWEPT = 10_000
"""More than a worker spends between two sweeps."""
# Kept beyond its expiry: the clock of another worker's machine may be behind.
_KEPT = timedelta(minutes=10)


async def spend(connection: AsyncConnection, digest: str, *, expires_at: datetime) -> bool:
    """Whether this was the first time. One statement."""
    spent = {"digest": digest, "expires_at": expires_at}
    done = await connection.execute(insert_once(connection, SPENT_TOKEN), spent)
    return done.rowcount == 1


async def sweep(connection: AsyncConnection, now: datetime) -> None:
    """Forget those that have expired. One statement."""
    expired = (
        select(SPENT_TOKEN.c.digest)
        .where(SPENT_TOKEN.c.expires_at < now - _KEPT)
        .limit(_SWEPT)
        .with_for_update(skip_locked=True)  # two workers that sweep do not wait for each other
    )
    await connection.execute(delete(SPENT_TOKEN).where(SPENT_TOKEN.c.digest.in_(expired)))
