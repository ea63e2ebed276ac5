"""The database: one engine, SQLite in WAL mode or PostgreSQL, migrated at start. No table here.

Writing transactions exclude each other on SQLite from their first statement on (BEGIN IMMEDIATE);
on PostgreSQL they lock the rows that they change. On SQLite every step of a statement is handed to
the driver's thread and back, on PostgreSQL it is a round trip: what need not be said is not said.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolResetState

from cds_service.errors import StartRefusedError, StoreUnavailableError
from cds_service.storage.revisions import is_later

_MIGRATIONS = Path(__file__).parent / "migrations"
_BEGIN = "readmit_begin"
_POSTGRES: dict[str, Any] = {
    "pool_timeout": 5,
    "connect_args": {"server_settings": {"lock_timeout": "5s"}},
}
"""A call waits no longer for a connection or a lock than on SQLite (busy_timeout)."""
_SQLITE: dict[str, Any] = {"pool_reset_on_return": None}  # _reset_sqlite does it
_FAILURES = (SQLAlchemyError, OSError, sqlite3.Error)
_MIGRATING = 7_236_001  # any number: names the advisory lock that migrations take on PostgreSQL


class Database:
    """What lies behind a SQLAlchemy URL."""

    def __init__(self, url: str) -> None:
        """Raises StartRefusedError where the URL or its driver cannot be used."""
        try:
            own = _POSTGRES if make_url(url).get_driver_name() == "asyncpg" else _SQLITE
            self.engine: AsyncEngine = create_async_engine(url, hide_parameters=True, **own)
        except (SQLAlchemyError, ImportError, ValueError):
            raise StartRefusedError(_UNUSABLE) from None
        # On SQLite one writer at a time: waiting here costs less than polling the file's lock.
        self._turn: AbstractAsyncContextManager[None] = nullcontext()
        self._writers = self._readers = self.engine
        if not self.is_sqlite:
            self._readers = self.engine.execution_options(isolation_level="REPEATABLE READ")
            self._outside = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        else:
            self._turn = asyncio.Lock()
            self._writers = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
            self._outside = self.engine.execution_options(**{_BEGIN: None})
            event.listen(self.engine.sync_engine, "connect", _configure_sqlite)
            event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
            event.listen(self.engine.sync_engine, "reset", _reset_sqlite)

    @property
    def is_sqlite(self) -> bool:
        """SQLite, else PostgreSQL."""
        return self.engine.dialect.name == "sqlite"

    async def migrate(self) -> None:
        """Bring the tables to the present version. Raises StartRefusedError."""
        try:
            async with self._turn, self._writers.begin() as connection:
                if not self.is_sqlite:  # workers that start together migrate one after the other
                    await connection.execute(text("SET LOCAL lock_timeout = 0"))
                    await connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
                await connection.run_sync(upgrade)
        except _FAILURES:
            await self.close()
            raise StartRefusedError(_UNUSABLE) from None

    @asynccontextmanager
    async def writing(self, *, alone: bool = False) -> AsyncIterator[AsyncConnection]:
        """One transaction, durable when the block is left. `alone`: of one statement, which is a
        transaction by itself. Raises StoreUnavailableError."""
        engine = self._outside if alone else self._writers
        try:
            async with self._turn, engine.begin() as connection:
                yield connection
        except _FAILURES:
            raise StoreUnavailableError(_UNWRITTEN) from None

    @asynccontextmanager
    async def reading(self, *, alone: bool = False) -> AsyncIterator[AsyncConnection]:
        """One moment of the database, however long the block. `alone`: of one statement. Raises
        StoreUnavailableError."""
        engine = self._outside if alone else self._readers
        try:
            async with engine.begin() as connection:
                yield connection
        except _FAILURES:
            raise StoreUnavailableError(_UNREAD) from None

    @asynccontextmanager
    async def outside(self) -> AsyncIterator[AsyncConnection]:
        """Outside of any transaction, for upkeep. Raises StoreUnavailableError."""
        try:
            async with self._outside.connect() as connection:
                yield connection
        except _FAILURES:
            raise StoreUnavailableError(_UNREAD) from None

    async def close(self) -> None:
        """Give the connections back."""
        await self.engine.dispose()


def upgrade(connection: Connection) -> None:
    """Run the Alembic migrations on an open connection; a later version's tables stay as they are."""
    if not is_later(connection):
        command.upgrade(migrations(connection), "head")


def migrations(connection: Connection) -> Config:
    """Alembic's configuration: our scripts, on this connection."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def _configure_sqlite(connection: DBAPIConnection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # docs/decisions/0013-audit.md
    cursor.execute("PRAGMA secure_delete=ON")  # what is purged is overwritten
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    begin = connection.get_execution_options().get(_BEGIN, "BEGIN")
    if begin:  # to the driver itself: one step instead of a cursor's three
        connection.connection.run_async(lambda driver: driver.execute(begin))


def _reset_sqlite(connection: DBAPIConnection, _record: object, state: PoolResetState) -> None:
    """As SQLAlchemy does by itself, but that it would also roll back where nothing has begun."""
    if state.asyncio_safe and connection.driver_connection.in_transaction:
        connection.rollback()


_UNUSABLE = (
    "The assessment store cannot be opened. Check READMIT_DATABASE (a SQLAlchemy URL such as"
    " sqlite+aiosqlite:///readmit.sqlite), its driver, and that the place can be written."
)
_UNWRITTEN = "assessment store: the row could not be written. Try again; check the database."
_UNREAD = "assessment store: it could not be read. Try again; check the database."
