"""Sign-ins and sessions in both databases: found by what only their browser has, taken and claimed once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from cds_service.storage.session_tables import SMART_LAUNCH, SMART_SESSION
from cds_service.storage.sessions import Sessions
from cds_service.storage.store import Store
from tests.service.stored import moment, opened

CONTENTS = {"patient_id": "Margaret", "tokens": {"access": "opaque-access-token"}}
AT_ONCE = 8


@pytest.fixture
def sessions(store: Store) -> Sessions:
    return Sessions(store.database, store.vault)


async def begin(sessions: Sessions, state: str = "state", minutes: float = 0) -> None:
    await sessions.begin(
        state, "browser", "north", CONTENTS, expires_at=moment(minutes + 10), now=moment(minutes)
    )


async def open_one(sessions: Sessions, name: str = "id", minutes: float = 0) -> None:
    await sessions.open(
        name, "secret", "north", CONTENTS, ends_at=moment(minutes + 30), now=moment(minutes)
    )


async def rows(store: Store, table: Any) -> list[dict[str, Any]]:
    async with store.database.reading() as connection:
        found = await connection.execute(select(table))
        return [dict(row) for row in found.mappings()]


async def test_a_sign_in_is_taken_once_by_its_browser(sessions: Sessions) -> None:
    await begin(sessions)
    assert await sessions.take("state", "another", now=moment(1)) is None
    waiting = await sessions.begun("state", now=moment(1))
    assert waiting
    assert (waiting.tenant, waiting.contents) == ("north", CONTENTS)
    taken = await asyncio.gather(
        *(sessions.take("state", "browser", now=moment(1)) for _ in range(AT_ONCE))
    )
    assert [each.contents for each in taken if each] == [CONTENTS]
    assert await sessions.begun("state", now=moment(1)) is None


async def test_a_sign_in_expires(sessions: Sessions) -> None:
    await begin(sessions)
    assert await sessions.begun("state", now=moment(10)) is None
    assert await sessions.take("state", "browser", now=moment(10)) is None


async def test_a_session_is_found_by_its_cookie(sessions: Sessions) -> None:
    await open_one(sessions)
    found = await sessions.find("id", secret="secret", now=moment(1))
    assert found
    assert (found.tenant, found.generation, found.contents) == ("north", 0, CONTENTS)
    assert (found.created_at, found.ends_at) == (moment(), moment(30))
    assert await sessions.find("id", secret="another", now=moment(1)) is None
    assert await sessions.find("another", secret="secret", now=moment(1)) is None
    assert await sessions.find("id", secret="secret", now=moment(30)) is None
    await sessions.put_off("id", ends_at=moment(60))
    assert await sessions.find("id", secret="secret", now=moment(59))
    await sessions.end("id")
    assert await sessions.find("id", now=moment(1)) is None


async def test_one_caller_of_many_may_replace_the_tokens(sessions: Sessions) -> None:
    await open_one(sessions)

    async def claim(generation: int, minutes: float) -> bool:
        until, now = moment(minutes + 0.25), moment(minutes)
        return await sessions.claim("id", generation=generation, until=until, now=now)

    assert sum(await asyncio.gather(*(claim(0, 1) for _ in range(AT_ONCE)))) == 1
    await sessions.release("id")
    assert await claim(0, 1)
    assert await claim(0, 2), "whoever claimed it a minute ago has gone"
    await sessions.renew("id", {"tokens": "new"}, generation=1)
    assert not await claim(0, 3)
    assert await claim(1, 3)
    found = await sessions.find("id", now=moment(3))
    assert found
    assert (found.generation, found.contents) == (1, {"tokens": "new"})


async def test_what_has_ended_is_deleted_on_the_way(sessions: Sessions, store: Store) -> None:
    await begin(sessions)
    await open_one(sessions)
    await begin(sessions, "later", minutes=32)
    await open_one(sessions, "later", minutes=32)
    assert len(await rows(store, SMART_LAUNCH)) == 1
    assert len(await rows(store, SMART_SESSION)) == 1


async def test_nothing_that_opens_a_session_is_stored(sessions: Sessions, store: Store) -> None:
    await begin(sessions, "the-state")
    await open_one(sessions, "the-id")
    kept = str([*await rows(store, SMART_LAUNCH), *await rows(store, SMART_SESSION)])
    for each in ("the-state", "the-id", "browser'", "secret'", "Margaret", "opaque-access-token"):
        assert each not in kept


async def test_contents_open_in_their_own_row_only(sessions: Sessions, store: Store) -> None:
    await open_one(sessions, "one")
    await open_one(sessions, "two")
    one, two = await rows(store, SMART_SESSION)
    async with store.database.writing() as connection:
        mine = SMART_SESSION.c.id_digest == one["id_digest"]
        moved = {name: two[name] for name in ("wrapped_key", "content")}
        await connection.execute(SMART_SESSION.update().where(mine).values(moved))
    found = [await sessions.find(name, now=moment(1)) for name in ("one", "two")]
    assert sum(each is None for each in found) == 1


async def test_another_storage_key_opens_none(store: Store, url: str) -> None:
    await open_one(Sessions(store.database, store.vault))
    other = opened(url, "YW5vdGhlciBrZXkgb2YgdGhlIHRlc3RzLCAzMmJ5dGU=")
    found = await Sessions(other.database, other.vault).find(
        "id", now=moment() + timedelta(minutes=1)
    )
    assert found is None
    await other.close()
