"""A tenant's service without the web around it, for batches; and a fake bulk server for each module,
as new for each test, with an export that is registered at it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.batch.job import Job
from cds_service.services import Offered, offered
from cds_service.settings import READMISSION
from cds_service.tenants import Tenant, dev_tenant
from tests.batch.bulk_server.serving import fake_bulk
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import Exporting, Time, registration
from tests.conftest import ROOT
from tests.service.conftest import (
    POSTGRES,
    SQLITE,
    execute,
    own_postgres,  # noqa: F401 - a fixture
    postgres,  # noqa: F401 - a fixture
    postgres_servers,  # noqa: F401 - a fixture
    wheel,  # noqa: F401 - a fixture
)
from tests.service.requests import now
from tests.service.stored import new_uuid


@pytest.fixture(scope="session")
def tenant() -> Tenant:
    return dev_tenant(None, None, address="http://127.0.0.1:8000")


@pytest.fixture(scope="session")
def service(tenant: Tenant) -> Offered:
    return offered({READMISSION: ROOT / "bundles" / "demo"}, [tenant])[READMISSION]


@pytest.fixture
def job(tenant: Tenant, service: Offered, tmp_path: Path) -> Job:
    return Job("a-run", tenant, service, now())


@pytest.fixture(params=[SQLITE, POSTGRES])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database for a command, which has a loop of its own."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/test.sqlite"
    server: str = request.getfixturevalue("postgres")
    name = f"t{new_uuid().replace('-', '')}"
    asyncio.run(execute(server, f"CREATE DATABASE {name}"))
    return server.replace("postgresql:", "postgresql+asyncpg:").replace("/postgres?", f"/{name}?")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture(scope="module")
def running() -> Iterator[FakeBulk]:
    with fake_bulk() as server:
        yield server


@pytest.fixture
def server(running: FakeBulk, time: Time) -> FakeBulk:
    running.reset(time)
    return running


@pytest.fixture
def export(server: FakeBulk, time: Time, tmp_path: Path) -> Exporting:
    return Exporting(server, tmp_path / "received", time, registration(server))
