"""A fake bulk server for each module, as new for each test, and an export that is registered at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.bulk_server.serving import fake_bulk
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import Exporting, Time, registration


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
