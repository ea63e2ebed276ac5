"""A tenant's service without the web around it, for batches."""

from pathlib import Path

import pytest

from cds_service.batch.job import Job
from cds_service.services import Offered, offered
from cds_service.settings import READMISSION
from cds_service.tenants import Tenant, dev_tenant
from tests.conftest import ROOT
from tests.service.requests import now


@pytest.fixture(scope="session")
def tenant() -> Tenant:
    return dev_tenant(None, None, address="http://127.0.0.1:8000")


@pytest.fixture(scope="session")
def service(tenant: Tenant) -> Offered:
    return offered({READMISSION: ROOT / "bundles" / "demo"}, [tenant])[READMISSION]


@pytest.fixture
def job(tenant: Tenant, service: Offered, tmp_path: Path) -> Job:
    return Job("a-run", tenant, service, now())
