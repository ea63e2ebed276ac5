"""A fake bulk server for each test, and an export that is registered at it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.batch.bulk_server.serving import fake_bulk
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import Exporting, Time, registration


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def server(time: Time) -> Iterator[FakeBulk]:
    with fake_bulk(clock=time) as running:
        yield running


@pytest.fixture
def export(server: FakeBulk, time: Time, tmp_path: Path) -> Exporting:
    return Exporting(server, tmp_path / "received", time, registration(server))
