"""A clock that jumps by hours, forwards or back: what was said stands, and nothing is shut for hours."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import Key

from cds_service.app import create_app
from cds_service.hooks.alerts import threshold_of
from cds_service.settings import Settings
from cds_service.smart.discovery import Discovery
from cds_service.smart.problems import SmartProblemError
from cds_service.storage.sessions import Sessions
from cds_service.tenants import Alert
from tests.security.clients import (
    DISCOVERY,
    Clock,
    Ehr,
    key_server,
    signing_key,
    trusting,
)
from tests.service.asked import asked
from tests.service.conftest import store  # noqa: F401 - a fixture
from tests.service.patients import NOW, URL, call, open_stay
from tests.service.stored import moment, opened
from tests.service.tampering import found, links

pytestmark = pytest.mark.slow
CONFIGURATION = {
    "authorization_endpoint": "https://ehr.example/authorize",
    "token_endpoint": "https://ehr.example/token",
    "capabilities": ["launch-ehr"],
    "code_challenge_methods_supported": ["S256"],
}
JUMPS = (5.0, -9.0, 48.0, -72.0, 28.0)
"""Hours, from one call to the next; together none."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def http(url: str, clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(dev=True, database=url), clock=clock)
    async with app.router.lifespan_context(app), asked(app) as client:
        yield client


async def test_a_finished_stay_keeps_its_card_and_the_chain_its_order(
    http: httpx.AsyncClient, url: str, clock: Clock
) -> None:
    cards, times = [], []
    for hours in (0, *JUMPS):
        clock.move(hours=hours)
        times.append(clock.at)
        answer = await http.post(URL, json=call())
        cards.append(answer.json()["cards"])
        assert answer.status_code == 200
    assert all(each == cards[0] for each in cards)
    kept = opened(url)
    listed = await links(kept, "dev")
    assert [(link.number, link.at) for link in listed] == list(enumerate(times, start=1))
    assert await found(kept) == []
    await kept.close()


async def test_a_stay_in_progress_is_answered_even_before_it_began(
    http: httpx.AsyncClient, clock: Clock
) -> None:
    for hours in (0, -24 * 14, 24 * 14):
        clock.move(hours=hours)
        answer = await http.post(URL, json=call(open_stay()))
        assert (answer.status_code, len(answer.json()["cards"])) == (200, 1)


@pytest.fixture(scope="module")
def key() -> Key:
    return signing_key()


async def test_a_token_is_refused_while_the_clock_is_wrong_and_a_spent_one_for_good(
    key: Key, tmp_path: Path, clock: Clock
) -> None:
    with key_server(key) as server:
        ehr = Ehr("north", "https://ehr.example", key, server.address)  # its clock is right
        spent = ehr.authorization()
        async with trusting(tmp_path, ehr, clock=clock) as http:
            assert (await http.get(DISCOVERY, headers=spent)).status_code == 200
            for hours in JUMPS:
                clock.move(hours=hours)
                expected = 200 if clock.at == NOW else 401
                answer = await http.get(DISCOVERY, headers=ehr.authorization())
                assert answer.status_code == expected
                assert (await http.get(DISCOVERY, headers=spent)).status_code == 401
            assert clock.at == NOW


async def test_a_session_that_was_not_swept_lasts_by_the_right_clock(url: str) -> None:
    kept = opened(url)
    await kept.migrate()
    sessions = Sessions(kept.database, kept.vault)
    await sessions.open("id", "secret", "north", {}, ends_at=moment(30), now=moment())
    assert await sessions.find("id", now=moment(5 * 60)) is None
    assert await sessions.find("id", now=moment(-5 * 60))
    assert await sessions.find("id", now=moment(29))
    await kept.close()


async def test_a_server_that_failed_while_the_clock_was_ahead_is_asked_again(clock: Clock) -> None:
    said = httpx.ByteStream(json.dumps(CONFIGURATION).encode())
    answers = [httpx.Response(500, stream=said), httpx.Response(200, stream=said)]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    async with httpx.AsyncClient(transport=transport) as http:
        discovery = Discovery(http)
        clock.move(hours=5)
        with pytest.raises(SmartProblemError):
            await discovery.of("https://ehr.example/fhir", now=clock())
        clock.move(hours=-5)
        found = await discovery.of("https://ehr.example/fhir", now=clock())
    assert found.token_endpoint == CONFIGURATION["token_endpoint"]


def test_a_capacity_counts_no_stay_that_lies_ahead() -> None:
    rule = Alert(per_day=2)
    past = [(NOW - timedelta(hours=each), 0.2) for each in range(8 * 24)]
    ahead = [(NOW + timedelta(hours=each), 0.9) for each in range(1, 100)]
    assert threshold_of(rule, past, NOW) is not None
    assert threshold_of(rule, past + ahead, NOW) == threshold_of(rule, past, NOW)
    assert threshold_of(rule, ahead, NOW) is None
