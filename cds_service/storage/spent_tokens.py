"""Tokens that were used, remembered until they expire: once spent, spent for every worker and restart."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from cds_service.errors import StoreUnavailableError
from cds_service.storage.tables import SpentTokenRow

SWEPT_EVERY = timedelta(minutes=1)
# Kept beyond its expiry: another machine's clock may be behind, and would still take the token.
KEPT_LONGER = timedelta(minutes=10)


class SpentTokens:
    """The spent tokens of all tenants, by digest."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._swept: datetime | None = None

    async def spend(self, digest: str, *, expires_at: datetime, now: datetime) -> bool:
        """Whether the token was not spent before. Raises StoreUnavailableError."""
        try:
            await self._sweep(now)
            async with self._engine.begin() as connection:
                row = {"digest": digest, "expires_at": expires_at}
                await connection.execute(insert(SpentTokenRow), row)
        except IntegrityError:
            return False
        except (SQLAlchemyError, OSError):
            raise StoreUnavailableError(
                "spent tokens: the token could not be marked as used. Try again; check the database."
            ) from None
        return True

    async def _sweep(self, now: datetime) -> None:
        if self._swept is not None and abs(now - self._swept) < SWEPT_EVERY:
            return
        self._swept = now
        async with self._engine.begin() as connection:
            gone = SpentTokenRow.expires_at < now - KEPT_LONGER
            await connection.execute(delete(SpentTokenRow).where(gone))
