"""A service on each database, through all scenarios that leave it running; and the time they have."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.service.conftest import (  # noqa: F401 - fixtures
    own_postgres,
    postgres,
    postgres_servers,
    url,
    url_of,
    wheel,
)
from tests.service.loading import Served, served
from tests.soak.lasting import Lasting, lasting_for

GENTLE = 5
"""Requests a second where something else is the matter: a busy machine keeps up."""
ADDRESS = "http://127.0.0.1:8000"
"""Under which all services of a scenario are reached, whatever their ports: ids are the same EHR's."""


@dataclass(frozen=True)
class Serving:
    """A service of one process, and its database. `server`: the PostgreSQL behind it."""

    running: Served
    url: str
    server: Any = None


@pytest.fixture
def lasting(request: pytest.FixtureRequest) -> Lasting:
    """This scenario's share of the time."""
    scenarios = [each for each in request.session.items if "lasting" in _fixtures(each)]
    return lasting_for(request.node.name, len(scenarios))


@pytest.fixture(scope="session")
def on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """What it went through does not keep it from ending well."""
    folder = tmp_path_factory.mktemp("sqlite")
    yield from _serving(folder, f"sqlite+aiosqlite:///{folder}/readmit.sqlite")


@pytest.fixture(scope="session")
def on_postgres(
    tmp_path_factory: pytest.TempPathFactory,
    own_postgres: Any,  # noqa: F811 - the fixture
) -> Iterator[Serving]:
    """The same on a PostgreSQL that a scenario may stop."""
    yield from _serving(tmp_path_factory.mktemp("served"), url_of(own_postgres), own_postgres)


def _serving(folder: Path, database: str, server: Any = None) -> Iterator[Serving]:
    with served(folder, database, workers=1, public_url=ADDRESS) as running:
        yield Serving(running, database, server)
        assert running.stop() == 0


def _fixtures(item: pytest.Item) -> list[str]:
    return getattr(item, "fixturenames", [])
