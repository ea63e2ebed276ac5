"""A tenant's service without the web around it, for batches."""

import asyncio
from pathlib import Path

import pytest

from cds_service.batch.job import Job
from cds_service.services import Offered, offered
from cds_service.settings import READMISSION
from cds_service.tenants import Tenant, dev_tenant
from tests.conftest import ROOT
from tests.service.conftest import POSTGRES, SQLITE, execute, postgres  # noqa: F401 - a fixture
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
