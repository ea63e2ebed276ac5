"""Probes: live while the process answers, ready only while hooks can be answered."""

import socket
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from cds_service.app import create_app
from cds_service.settings import Settings
from cds_service.storage import readiness
from tests.service.asked import asked
from tests.service.patients import database, now, serving

NOT_MIGRATED = "not ready: the database is not migrated to this version."


async def test_a_running_service_is_live_and_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        live, ready = await http.get("/health/live"), await http.get("/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


@pytest.mark.parametrize(
    "spoil", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '0001'"]
)
async def test_another_versions_tables_are_not_ready_but_live(spoil: str, tmp_path: Path) -> None:
    app = create_app(Settings(database=database(tmp_path), dev=True), clock=now)
    async with app.router.lifespan_context(app), asked(app) as http:
        async with app.state.service.store.engine.begin() as connection:
            await connection.execute(text(spoil))
        live, ready = await http.get("/health/live"), await http.get("/health/ready")
    assert live.status_code == 200
    assert (ready.status_code, ready.json()["issue"][0]["diagnostics"]) == (503, NOT_MIGRATED)


async def test_the_tables_of_a_later_version_will_do_and_stay_as_they_are(tmp_path: Path) -> None:
    for _ in range(2):  # the second start finds them so
        app = create_app(Settings(database=database(tmp_path), dev=True), clock=now)
        async with app.router.lifespan_context(app), asked(app) as http:
            async with app.state.service.store.engine.begin() as connection:
                await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
            assert (await http.get("/health/ready")).json() == {"status": "ready"}


async def test_a_database_that_is_not_there_is_not_ready_and_not_named() -> None:
    engine = create_async_engine("postgresql+asyncpg://me:secret@127.0.0.1:1/store")
    assert await readiness.unready(engine) == "the database does not answer."
    await engine.dispose()


async def test_a_database_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PATIENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never says a word
        port = silent.getsockname()[1]
        engine = create_async_engine(f"postgresql+asyncpg://me@127.0.0.1:{port}/store")
        assert await readiness.unready(engine) == "the database does not answer."
        await engine.dispose()


@pytest.mark.parametrize("path", ["/health", "/health/", "/metrics/x"])
async def test_nothing_else_is_there(path: str, tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        assert (await http.get(path)).status_code == 404
