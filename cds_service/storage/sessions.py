"""Sign-ins and sessions of the SMART app. What names one is stored as its SHA-256, what one holds is sealed.

Neither is chained: they end within hours, and what has ended is deleted on the way.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.errors import UnsealError
from cds_service.observability import note
from cds_service.storage.database import Database
from cds_service.storage.session_tables import SMART_LAUNCH, SMART_SESSION
from cds_service.storage.vault import Sealed, Vault

_SWEPT = 100


@dataclass(frozen=True)
class StoredLaunch:
    """A sign-in that has begun, and whose."""

    tenant: str
    contents: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class StoredSession:
    """A session as it stands; `generation` counts how often its tokens were replaced."""

    tenant: str
    created_at: datetime
    ends_at: datetime
    generation: int
    contents: Mapping[str, Any] = field(repr=False)


class Sessions:
    """The two tables; each method is one transaction and raises StoreUnavailableError."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def begin(
        self,
        state: str,
        browser: str,
        tenant: str,
        contents: Any,
        *,
        expires_at: datetime,
        now: datetime,
    ) -> None:
        """Keep a sign-in until its browser comes back with `state` and the cookie `browser`."""
        name = digest(state)
        row = {
            "state_digest": name,
            "browser_digest": digest(browser),
            "tenant": tenant,
            "expires_at": expires_at,
            **self._sealed(name, contents),
        }
        async with self._database.writing() as connection:
            await _sweep(connection, SMART_LAUNCH, "state_digest", "expires_at", now=now)
            await connection.execute(insert(SMART_LAUNCH).values(row))

    async def begun(self, state: str, *, now: datetime) -> StoredLaunch | None:
        """A sign-in that still waits for its browser; it is left as it is."""
        c = SMART_LAUNCH.c
        query = select(SMART_LAUNCH).where(c.state_digest == digest(state), c.expires_at > now)
        async with self._database.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return self._launch(row) if row else None

    async def take(self, state: str, browser: str, *, now: datetime) -> StoredLaunch | None:
        """The sign-in of that state and browser, once: whoever comes second finds none."""
        c = SMART_LAUNCH.c
        mine = (c.state_digest == digest(state), c.browser_digest == digest(browser))
        taken = delete(SMART_LAUNCH).where(*mine).returning(*SMART_LAUNCH.c)
        async with self._database.writing() as connection:
            row = (await connection.execute(taken)).mappings().one_or_none()
        return self._launch(row) if row and row["expires_at"] > now else None

    async def open(
        self,
        session_id: str,
        secret: str,
        tenant: str,
        contents: Any,
        *,
        ends_at: datetime,
        now: datetime,
    ) -> None:
        """Begin a session."""
        name = digest(session_id)
        row = {
            "id_digest": name,
            "secret_digest": digest(secret),
            "tenant": tenant,
            "created_at": now,
            "ends_at": ends_at,
            "generation": 0,
            **self._sealed(name, contents),
        }
        async with self._database.writing() as connection:
            await _sweep(connection, SMART_SESSION, "id_digest", "ends_at", now=now)
            await connection.execute(insert(SMART_SESSION).values(row))

    async def find(
        self, session_id: str, *, secret: str | None = None, now: datetime
    ) -> StoredSession | None:
        """The session of that id, and of that cookie where one is given, while it lasts."""
        c = SMART_SESSION.c
        conditions = [c.id_digest == digest(session_id), c.ends_at > now]
        if secret is not None:
            conditions.append(c.secret_digest == digest(secret))
        async with self._database.reading() as connection:
            query = select(SMART_SESSION).where(*conditions)
            row = (await connection.execute(query)).mappings().one_or_none()
        contents = self._opened(row["id_digest"], row) if row else None
        if row is None or contents is None:
            return None
        return StoredSession(
            row["tenant"], row["created_at"], row["ends_at"], row["generation"], contents
        )

    async def put_off(self, session_id: str, *, ends_at: datetime) -> None:
        """Let a session that is used end later."""
        await self._update(session_id, ends_at=ends_at)

    async def claim(
        self, session_id: str, *, generation: int, until: datetime, now: datetime
    ) -> bool:
        """Whether the tokens of this generation are the caller's to replace. Until then no other
        worker's: a refresh token that is used twice may end the session at its server."""
        c = SMART_SESSION.c
        free = or_(c.renewing_until.is_(None), c.renewing_until <= now)
        mine = (c.id_digest == digest(session_id), c.generation == generation, free)
        async with self._database.writing() as connection:
            statement = update(SMART_SESSION).where(*mine).values(renewing_until=until)
            done = await connection.execute(statement)
        return done.rowcount == 1

    async def release(self, session_id: str) -> None:
        """Give a claim back; the tokens are as they were."""
        await self._update(session_id, renewing_until=None)

    async def renew(self, session_id: str, contents: Any, *, generation: int) -> None:
        """Replace what a session holds, and end the claim."""
        sealed = self._sealed(digest(session_id), contents)
        await self._update(session_id, generation=generation, renewing_until=None, **sealed)

    async def end(self, session_id: str) -> None:
        """Delete a session."""
        gone = delete(SMART_SESSION).where(SMART_SESSION.c.id_digest == digest(session_id))
        async with self._database.writing() as connection:
            await connection.execute(gone)

    async def _update(self, session_id: str, **columns: Any) -> None:
        mine = SMART_SESSION.c.id_digest == digest(session_id)
        async with self._database.writing() as connection:
            await connection.execute(update(SMART_SESSION).where(mine).values(columns))

    def _launch(self, row: Mapping[Any, Any]) -> StoredLaunch | None:
        contents = self._opened(row["state_digest"], row)
        return None if contents is None else StoredLaunch(row["tenant"], contents)

    def _sealed(self, name: str, contents: Any) -> dict[str, bytes]:
        sealed = self._vault.seal(name, contents)
        return {"wrapped_key": sealed.wrapped_key, "content": sealed.content}

    def _opened(self, name: str, row: Mapping[Any, Any]) -> Mapping[str, Any] | None:
        """None where the storage key went: then it has ended, and the user signs in again."""
        try:
            opened: Mapping[str, Any] = self._vault.unseal(
                name, Sealed(row["wrapped_key"], row["content"])
            )
        except UnsealError as closed:
            note(unsealed=type(closed).__name__)
            return None
        return opened


def digest(secret: str) -> str:
    """What a secret of 128 bits or more is stored as."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


async def _sweep(
    connection: AsyncConnection, table: Table, key: str, end: str, *, now: datetime
) -> None:
    """Delete some of what has ended; a minute later, for another worker's clock may be behind."""
    ended = (
        select(table.c[key])
        .where(table.c[end] < now - timedelta(minutes=1))
        .limit(_SWEPT)
        .with_for_update(skip_locked=True)
    )
    await connection.execute(delete(table).where(table.c[key].in_(ended)))
