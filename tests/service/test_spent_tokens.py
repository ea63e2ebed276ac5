"""A token is spent once, for everybody who uses the database, and forgotten after it expired."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from cds_service.errors import StoreUnavailableError
from cds_service.storage.store import Store
from cds_service.storage.tables import SPENT_TOKEN
from cds_service.storage.vault import Vault
from tests.service.patients import NOW, database

MINUTE = timedelta(minutes=1)
ONE, OTHER = "1" * 64, "2" * 64


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = Store(database(tmp_path), Vault())
    await opened.migrate()
    yield opened
    await opened.close()


async def spend(store: Store, digest: str, *, now: datetime = NOW) -> bool:
    return await store.spend_token(digest, expires_at=now + 5 * MINUTE, now=now)


async def kept(store: Store) -> set[str]:
    async with store.engine.connect() as connection:
        return set((await connection.execute(select(SPENT_TOKEN.c.digest))).scalars())


async def test_a_token_is_spent_once(store: Store) -> None:
    assert [await spend(store, ONE) for _ in range(3)] == [True, False, False]
    assert await spend(store, OTHER)


async def test_another_process_on_the_same_database_knows(store: Store, tmp_path: Path) -> None:
    await spend(store, ONE)
    another = Store(database(tmp_path), Vault())
    assert not await spend(another, ONE)
    await another.close()


async def test_of_many_at_once_one_spends_it(store: Store) -> None:
    assert sum(await asyncio.gather(*(spend(store, ONE) for _ in range(20)))) == 1


async def test_expired_tokens_are_forgotten_after_a_while(store: Store) -> None:
    await spend(store, ONE)
    await spend(store, OTHER, now=NOW + 15 * MINUTE)
    assert await kept(store) == {ONE, OTHER}  # another machine's clock may be behind
    await spend(store, "3" * 64, now=NOW + 16 * MINUTE)
    assert await kept(store) == {OTHER, "3" * 64}


async def test_a_store_that_takes_no_row_is_said_so(store: Store) -> None:
    async with store.engine.begin() as connection:
        await connection.run_sync(SPENT_TOKEN.drop)
    with pytest.raises(StoreUnavailableError, match="database"):
        await spend(store, ONE)
