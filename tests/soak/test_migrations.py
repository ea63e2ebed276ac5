"""Every migration up and down with rows in the tables, and under a service that goes on answering."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, inspect, text

from cds_service.storage.database import migrations
from tests.service.stored import add, comment, opened
from tests.service.tampering import found

Rows = Mapping[str, list[Mapping[str, Any]]]
_numbers = count(1)
WHOLE_FROM = "0003"
"""Rows lose nothing that their digests cover down to here: what was sealed for them is stated since."""


def revisions(connection: Connection) -> list[str]:
    scripts = ScriptDirectory.from_config(migrations(connection))
    return [each.revision for each in reversed(list(scripts.walk_revisions()))]


def tables(connection: Connection) -> dict[str, Table]:
    metadata = MetaData()
    metadata.reflect(connection)
    return {name: each for name, each in metadata.tables.items() if name != "alembic_version"}


def rows(connection: Connection) -> Rows:
    names = [name for name in inspect(connection).get_table_names() if name != "alembic_version"]
    found = {name: connection.execute(text(f"SELECT * FROM {name}")) for name in names}  # noqa: S608
    return {name: [dict(row) for row in each.mappings()] for name, each in found.items()}


def write(connection: Connection, written: Mapping[str, Table]) -> None:
    """One row into each table, of no other columns than these."""
    for table in written.values():
        connection.execute(table.insert(), {each.name: value(each.type) for each in table.columns})


def value(kind: Any) -> Any:
    number = next(_numbers)
    if kind.python_type is str:
        return str(number)
    if kind.python_type is datetime:
        return datetime(2026, 1, 1, tzinfo=UTC if kind.timezone else None)
    return kind.python_type(number) if kind.python_type in (int, bool, float) else b"sealed"


def lost(before: Rows, after: Rows) -> list[str]:
    """Tables of both in which a column of both no longer says what it did."""
    return [
        name
        for name in before.keys() & after.keys()
        if said(before[name], columns(after[name])) != said(after[name], columns(before[name]))
    ]


def columns(listed: list[Mapping[str, Any]]) -> Collection[str]:
    return listed[0].keys() if listed else ()


def said(listed: list[Mapping[str, Any]], shared: Collection[str]) -> list[str]:
    return sorted(
        repr({name: row[name] for name in sorted(row) if name in shared}) for row in listed
    )


@pytest.mark.slow
async def test_each_keeps_every_row_and_takes_what_the_version_before_writes(url: str) -> None:
    store = opened(url)
    async with store.database.writing() as connection:
        await connection.run_sync(all_the_way_up)
        await connection.run_sync(all_the_way_down)
    await store.close()


def all_the_way_up(connection: Connection) -> None:
    for revision in revisions(connection):
        before, of_before = rows(connection), tables(connection)
        command.upgrade(migrations(connection), revision)
        assert lost(before, rows(connection)) == []
        write(connection, of_before)
        write(connection, tables(connection))


def all_the_way_down(connection: Connection) -> None:
    for revision in reversed(revisions(connection)[:-1]):
        before = rows(connection)
        command.downgrade(migrations(connection), revision)
        assert lost(before, rows(connection)) == []
    before = rows(connection)
    command.upgrade(migrations(connection), "head")
    assert before.keys() == {"assessment"}
    assert lost(before, rows(connection)) == []


@pytest.mark.slow
async def test_a_chain_is_whole_after_the_way_down_and_up_again(url: str) -> None:
    store = opened(url)
    await store.migrate()
    kept = await add(store)
    await comment(store, kept)
    async with store.database.writing() as connection:
        await connection.run_sync(down, WHOLE_FROM)
    await store.migrate()
    await add(store)
    assert await found(store) == []
    again = await store.assessment("north", kept["uuid"])
    assert again
    assert again.contents is not None
    await store.close()


def down(connection: Connection, revision: str) -> None:
    command.downgrade(migrations(connection), revision)
