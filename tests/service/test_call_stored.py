"""A call over HTTP leaves its row, sealed contents and link, the same on both databases."""

from datetime import timedelta
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select

from cds_service.storage.database import migrations
from cds_service.storage.store import Store
from cds_service.storage.tables import ASSESSMENT, Base
from tests.service.requests import example, now
from tests.service.running import URL, running
from tests.service.stored import KEY, opened
from tests.service.tampering import found, links


async def test_a_call_is_stored(url: str, tmp_path: Path) -> None:
    async with running(tmp_path, database=url, storage_keys=(KEY,)) as http:
        answer = await http.post(URL, json=example("margaret-heart-failure"))
    (card,) = answer.json()["cards"]
    store = opened(url)
    async with store.database.reading() as connection:
        (row,) = (await connection.execute(select(ASSESSMENT))).mappings().all()
    stay = {name: row[name] for name in ("service_id", "fhir_server", "patient_id", "encounter_id")}
    shown = await store.shown("dev", **stay)
    assert [(link.kind, link.subject) for link in await links(store, "dev")] == [
        ("assessed", row["uuid"])
    ]
    assert await found(store) == []
    await store.close()
    assert row["card_uuid"] == card["uuid"]
    assert (row["lace_points"], row["hospital_points"]) == (17, 11)
    assert row["created_at"] == now()
    assert row["prediction_time"].utcoffset() == timedelta()
    assert shown is not None
    assert shown.contents is not None
    assert len(shown.contents["values"]) == 105
    assert shown.contents["card"] == card


async def test_the_migrations_give_the_tables_of_the_code(store: Store) -> None:
    await store.migrate()  # a second start
    async with store.engine.connect() as connection:
        assert await connection.run_sync(differences) == []


def differences(connection: Connection) -> list[object]:
    """Tables, columns, indexes, types, nullability."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    listed: list[object] = compare_metadata(context, Base.metadata)
    return listed


EARLIER = (
    "INSERT INTO assessment (created_at, hook, hook_instance, service_id, patient_id, card_uuid,"
    " outcome, bundle_digest, mapping_digest, duration_ms) VALUES ('2026-10-01 08:00:00+00:00',"
    " 'patient-view', 'i', 's', 'p', 'c', 'not_scored', 'b', 'm', 1.5)"
)


async def test_rows_from_before_tenants_go_up_and_down(url: str) -> None:
    store = opened(url)
    await migrated(store, "0001")
    async with store.database.writing() as connection:
        await connection.exec_driver_sql(EARLIER)
    await store.migrate()
    before = await rows(store)
    assert [(row["tenant"], row["uuid"], row["card_uuid"]) for row in before] == [(None, None, "c")]
    await migrated(store, "0001")
    await store.migrate()
    assert await rows(store) == before
    assert await found(store) == []
    await store.close()


async def migrated(store: Store, revision: str) -> None:
    """To an earlier version of the tables, or from nothing up to it."""

    def move(connection: Connection) -> None:
        known = MigrationContext.configure(connection).get_current_revision()
        (command.downgrade if known else command.upgrade)(migrations(connection), revision)

    async with store.database.writing() as connection:
        await connection.run_sync(move)


async def rows(store: Store) -> list[dict[str, object]]:
    async with store.database.reading() as connection:
        return [dict(row) for row in (await connection.execute(select(ASSESSMENT))).mappings()]
