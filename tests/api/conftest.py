"""Two hospitals with key sets of their own."""

from collections.abc import Iterator

import pytest

from tests.api.hospitals import Hospital, hospital
from tests.security.clients import key_server, signing_key


@pytest.fixture(scope="session")
def two() -> Iterator[tuple[Hospital, Hospital]]:
    """North and south; their keys have the same `kid`, as may happen."""
    keys = signing_key("as-1"), signing_key("as-1")
    with key_server(keys[0]) as one, key_server(keys[1]) as other:
        north = hospital(
            "north", one.address, keys[0], fhir_servers=["https://fhir.north.example/r4"]
        )
        yield north, hospital("south", other.address, keys[1])


@pytest.fixture(scope="session")
def north(two: tuple[Hospital, Hospital]) -> Hospital:
    return two[0]


@pytest.fixture(scope="session")
def south(two: tuple[Hospital, Hospital]) -> Hospital:
    return two[1]
