"""Databases of earlier versions: their rows stay as they were, and what follows is chained."""

from alembic import command
from sqlalchemy import Connection, text

from cds_service.storage.database import migrations
from tests.service.stored import add, opened
from tests.service.tampering import found

_OF_THE_FIRST_VERSION = """
    INSERT INTO assessment (created_at, hook, hook_instance, service_id, patient_id, card_uuid,
        outcome, bundle_digest, mapping_digest, duration_ms)
    VALUES ('2026-01-01 00:00:00+00', 'patient-view', 'i', 's', 'p', 'c', 'not_scored', 'b', 'm', 1)
"""


def to_the_first_version(connection: Connection) -> None:
    command.upgrade(migrations(connection), "0001")


async def test_rows_from_before_tenants_stay_and_what_follows_is_whole(url: str) -> None:
    store = opened(url)
    async with store.database.writing() as connection:
        await connection.run_sync(to_the_first_version)
        await connection.execute(text(_OF_THE_FIRST_VERSION))
    await store.migrate()
    row = await add(store)
    async with store.database.reading() as connection:
        query = text("SELECT patient_id, tenant, uuid FROM assessment ORDER BY id")
        listed = [tuple(each) for each in await connection.execute(query)]
    assert listed == [("p", None, None), (row["patient_id"], "north", row["uuid"])]
    assert await found(store) == []
    await store.close()
