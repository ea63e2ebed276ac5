"""What a call asks of the database: each statement is a round trip, or four steps of a driver's thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from cds_service.storage.store import Store
from cds_service.storage.tables import SPENT_TOKEN
from tests.security.clients import Ehr, public, signing_key, trusting
from tests.service.patients import FAILED, NOW, URL, Json, call
from tests.service.patients import stay as finished

TOKEN = ["INSERT spent_token"]
STORED = [
    "SELECT assessment",
    "SELECT audit_head",
    "INSERT assessment",
    "INSERT sealed",
    "INSERT audit",
    "UPDATE audit_head",
]
"""The stay's present card; then, in one transaction: the chain's end, locked; the row, unless another
call gave the stay a card meanwhile; what is sealed of it; its link; the chain's new end."""
NEW_STAY = call(finished(id="other"))
NEW_STAY["context"]["encounterId"] = "other"
CALLS: dict[str, tuple[Json, int, list[str]]] = {
    "of a new stay": (NEW_STAY, 200, TOKEN + STORED),
    "that changes nothing": (call(), 200, TOKEN + STORED),
    "that brings another card": (call(conditions=FAILED), 200, TOKEN + STORED),
    "that is refused": ({}, 400, TOKEN),
}


@contextmanager
def statements() -> Iterator[list[str]]:
    """Verb and table of each that is sent meanwhile."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        verb, *words = statement.replace(".", " ").split()
        sent.append(f"{verb} {words[1] if verb == 'INSERT' else words[0]}")

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("case", CALLS)
async def test_a_call_asks_for_no_more(case: str, url: str, tmp_path: Path) -> None:
    request, status, expected = CALLS[case]
    key = signing_key()
    (tmp_path / "keys.json").write_bytes(public(key))
    ehr = Ehr("north", "https://ehr.example", key, None, choices={"jwks": "keys.json"})
    async with trusting(tmp_path, ehr, database=url) as http:
        await http.post(URL, json=call(), auth=ehr.auth())  # the tenant's chain has begun
        with statements() as sent:
            answer = await http.post(URL, json=request, auth=ehr.auth())
    assert answer.status_code == status
    assert sent == expected


async def test_what_nobody_ended_is_undone_when_its_connection_is_given_back(
    sqlite_store: Store,
) -> None:
    async with sqlite_store.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        await driver.execute("BEGIN IMMEDIATE")
        await driver.execute("INSERT INTO spent_token VALUES ('d', '2026-11-21 12:00:00')")
    assert await sqlite_store.spend_token("d", expires_at=NOW, now=NOW)
    async with sqlite_store.engine.connect() as connection:
        assert (await connection.scalars(select(SPENT_TOKEN.c.digest))).all() == ["d"]
