"""A steady load: every call has its card, and the service does not grow."""

import psutil
import pytest

from tests.service.conftest import POSTGRES, SQLITE
from tests.service.loading import Load
from tests.soak.lasting import Lasting
from tests.soak.whole import check_whole

pytestmark = [pytest.mark.slow, pytest.mark.load]
RATE, SHORT_S = 10, 4.0
SETTLED = 30
GROWTH = 48 * 1024 * 1024
"""Bytes, however long it goes on: minutes of load would show a leak of some kilobytes a call."""


@pytest.mark.parametrize("database", [SQLITE, POSTGRES])
async def test_a_steady_load_is_answered_and_stored(
    database: str, lasting: Lasting, request: pytest.FixtureRequest
) -> None:
    service = request.getfixturevalue(f"on_{database}")
    process = psutil.Process(service.running.process.pid)
    load = Load(service.running.base, rate=RATE, seconds=lasting.seconds(SHORT_S))
    await load.answers(SETTLED)
    settled = process.memory_info().rss
    calls = await load.calls()
    assert {(call.status, call.cards) for call in calls} == {(200, 1)}
    assert process.memory_info().rss - settled <= GROWTH
    await check_whole(service.url, calls)
