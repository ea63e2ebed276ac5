"""One fake EHR for a module's tests; a service and a browser for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.security.clients import Clock
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import FakeEhr
from tests.smart.signing_in import CALLBACK, Readmit, entry, serving


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def north(clock: Clock) -> Iterator[FakeEhr]:
    with fake_ehr(clock=clock) as ehr:
        ehr.register("readmit", CALLBACK)
        yield ehr


@pytest.fixture
async def readmit(tmp_path: Path, north: FakeEhr, clock: Clock) -> AsyncIterator[Readmit]:
    """The service of one hospital whose EHR is `north`."""
    async with serving(tmp_path, entry("north", north.base), clock=clock) as started:
        yield started
