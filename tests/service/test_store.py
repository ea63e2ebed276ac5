"""The assessment store: one row per answer, written before it leaves, without a patient's values."""

import re
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.errors import StartRefusedError, StoreUnavailableError
from cds_service.storage.store import Store
from cds_service.storage.tables import Base
from cds_service.storage.vault import Vault
from tests.service.patients import (
    PATIENT,
    STAY,
    URL,
    Json,
    call,
    card_of,
    database,
    facts,
    now,
    patient,
    serving,
    view,
)

SAME = (
    "outcome",
    "known_inputs",
    "timing",
    "profile",
    "bundle_digest",
    "mapping_digest",
    "vector_digest",
)


def rows(folder: Path) -> list[Json]:
    with sqlite3.connect(folder / "test.sqlite") as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(each) for each in connection.execute("SELECT * FROM assessment ORDER BY id")]
    connection.close()
    return found


async def test_the_row_says_what_the_card_says(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        card = await card_of(http, call())
        (row,) = rows(tmp_path)
    said = facts(card)
    assert row["card_uuid"] == card["uuid"]
    assert (row["patient_id"], row["encounter_id"]) == (PATIENT, STAY)
    assert (row["hook"], row["service_id"]) == ("encounter-discharge", "readmission-risk")
    assert (row["lace_points"], row["hospital_points"]) == (said["lace"], said["hospital"])
    assert (row["reason"], row["probability"]) == (None, said.get("probability"))
    for name in SAME:
        assert row[name] == said[name], name
    assert row["prediction_time"].startswith("2026-11-16 15:00:00")
    assert row["created_at"].startswith("2026-11-21 12:00:00")
    assert row["duration_ms"] > 0


async def test_not_scored_is_a_row_too(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        await card_of(http, call(patient=patient(birthDate="2015-01-01")))
        await card_of(http, view())
        child, nowhere = rows(tmp_path)
    assert (child["outcome"], child["reason"], child["lace_points"]) == (
        "not_scored",
        "under_18",
        None,
    )
    assert (nowhere["reason"], nowhere["encounter_id"], nowhere["timing"]) == (
        "no_open_stay",
        None,
        None,
    )


async def test_a_repeated_call_is_another_row_with_the_same_card(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        for _ in range(2):
            await card_of(http, call())
        first, second = rows(tmp_path)
    assert first["card_uuid"] == second["card_uuid"]
    assert first["id"] != second["id"]


async def test_a_refused_call_leaves_no_row(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        await http.post(URL, json=call(patient=patient(id="stranger")))
        await http.post(URL, content=b"{")
        assert rows(tmp_path) == []


async def test_a_row_has_no_value_of_the_record(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        await card_of(http, call())
        (row,) = rows(tmp_path)
    stored = " ".join(map(str, row.values()))
    for value in ("female", "1948", "10.2", "131", "I50.9", "718-7", "congestive"):
        assert not re.search(rf"(?<![\w.-]){re.escape(value)}(?!\w)", stored)  # chance: in a digest


@asynccontextmanager
async def migrated(folder: Path) -> AsyncIterator[AsyncConnection]:
    store = Store(database(folder), Vault())
    try:
        await store.migrate()
        async with store.engine.connect() as connection:
            yield connection
    finally:
        await store.close()


async def test_the_migrations_give_the_tables_of_the_code(tmp_path: Path) -> None:
    async with migrated(tmp_path) as connection:
        names = await connection.run_sync(lambda each: inspect(each).get_table_names())
        assert set(names) == {*Base.metadata.tables, "alembic_version"}
        assert await connection.run_sync(differences) == []


def differences(connection: Connection) -> list[object]:
    """Tables, columns, indexes, types, nullability."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: list[object] = compare_metadata(context, Base.metadata)
    return found


async def test_a_second_start_keeps_the_rows(tmp_path: Path) -> None:
    for _ in range(2):
        async with serving(tmp_path) as http:
            await card_of(http, call())
    assert len(rows(tmp_path)) == 2


async def test_sqlite_writes_ahead(tmp_path: Path) -> None:
    async with migrated(tmp_path) as connection:
        mode = await connection.exec_driver_sql("PRAGMA journal_mode")
        assert mode.scalar() == "wal"


async def test_a_row_that_cannot_be_written_is_said_without_its_values(tmp_path: Path) -> None:
    store = Store(database(tmp_path), Vault())
    with pytest.raises(StoreUnavailableError) as refused:
        await store.add_assessment(
            {"uuid": "a", "tenant": "dev", "patient_id": "canary-patient", "created_at": now()},
            {},
            after=None,
        )
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None
    await store.close()


@pytest.mark.parametrize(
    "url", ["nonsense", "oracle+nowhere://x", "sqlite+aiosqlite:////nowhere/at/all/test.sqlite"]
)
async def test_an_unusable_database_stops_the_start(url: str) -> None:
    with pytest.raises(StartRefusedError, match="READMIT_DATABASE"):
        await Store(url, Vault()).migrate()
    await workers_ended()


async def workers_ended() -> None:
    """aiosqlite's thread of a failed connection still reports to the loop: keep it until then."""
    for each in threading.enumerate():
        if "_connection_worker_thread" in each.name:
            await anyio.to_thread.run_sync(each.join, 5)
