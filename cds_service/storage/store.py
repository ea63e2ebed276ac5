"""Writing assessments: one engine, SQLite in WAL mode or PostgreSQL, migrated at start."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, insert
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from cds_service.errors import StartRefusedError, StoreUnavailableError
from cds_service.storage.spent_tokens import SpentTokens
from cds_service.storage.tables import AssessmentRow

_MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """The assessment store behind a SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = create_async_engine(url, hide_parameters=True)
        except (SQLAlchemyError, ImportError, ValueError):
            raise StartRefusedError(_UNUSABLE) from None
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine.sync_engine, "connect", _configure_sqlite)
        self._spent_tokens = SpentTokens(self._engine)

    async def migrate(self) -> None:
        """Bring the tables to the present version. Raises StartRefusedError."""
        try:
            async with self._engine.begin() as connection:
                await connection.run_sync(upgrade)
        except (SQLAlchemyError, OSError):
            await self.close()
            raise StartRefusedError(_UNUSABLE) from None

    async def add(self, row: Mapping[str, Any]) -> None:
        """Write one assessment, durably. Raises StoreUnavailableError."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(AssessmentRow), dict(row))
        except (SQLAlchemyError, OSError):
            raise StoreUnavailableError(
                "assessment store: the row could not be written. Try again; check the database."
            ) from None

    async def spend_token(self, digest: str, *, expires_at: datetime, now: datetime) -> bool:
        """Mark a client's token as used; False: it was. Raises StoreUnavailableError."""
        return await self._spent_tokens.spend(digest, expires_at=expires_at, now=now)

    async def close(self) -> None:
        """Give the connections back."""
        await self._engine.dispose()

    @property
    def engine(self) -> AsyncEngine:
        """For reading what was written."""
        return self._engine


def upgrade(connection: Connection) -> None:
    """Run the Alembic migrations on an open connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _configure_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


_UNUSABLE = (
    "The assessment store cannot be opened. Check READMIT_DATABASE (a SQLAlchemy URL such as"
    " sqlite+aiosqlite:///readmit.sqlite), its driver, and that the place can be written."
)
