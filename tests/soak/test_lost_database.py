"""A PostgreSQL that restarts, drops its connections or hangs: 503 meanwhile, and afterwards an answer
without anybody's help."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest

from tests.service.loading import Call, Load, Served, wait_until_ready
from tests.soak.conftest import GENTLE, Serving
from tests.soak.lasting import Lasting
from tests.soak.whole import PATIENCE_S, check_whole, of_status

pytestmark = [pytest.mark.slow, pytest.mark.load, pytest.mark.postgres]
CONNECTIONS = 15  # of SQLAlchemy's pool: so many calls wait for a server that hangs
DROPPED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid();"
)


async def test_a_restart_is_503_until_it_is_over(on_postgres: Serving, lasting: Lasting) -> None:
    running, server, calls = on_postgres.running, on_postgres.server, list[Call]()
    for _ in lasting.rounds():
        load = Load(running.base, rate=GENTLE, seconds=600)
        await load.more(lasting.some(5, 50))
        await asyncio.to_thread(server.stop)
        assert readiness(running) == 503
        await load.more(lasting.some(5, 50))
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(wait_until_ready, running)
        await load.more(3 * GENTLE)
        calls += await load.end()
        assert {call.status for call in calls} == {200, 503}
        assert {call.status for call in calls[-GENTLE:]} == {200}
    assert of_status(running, 500) == 0
    await check_whole(on_postgres.url, calls)


async def test_connections_that_are_dropped_cost_a_call_each_at_most(
    on_postgres: Serving, lasting: Lasting
) -> None:
    running, calls = on_postgres.running, list[Call]()
    for _ in lasting.rounds():
        load = Load(running.base, rate=GENTLE, seconds=600)
        await load.more(lasting.some(5, 50))
        await asyncio.to_thread(on_postgres.server.psql, DROPPED)
        await load.more(2 * GENTLE)
        found = await load.end()
        assert {call.status for call in found} <= {200, 503}
        assert sum(call.status == 503 for call in found) <= CONNECTIONS
        assert {call.status for call in found[-GENTLE:]} == {200}
        calls += found
    assert of_status(running, 500) == 0
    await check_whole(on_postgres.url, calls)


async def test_one_that_hangs_keeps_as_many_calls_as_there_are_connections(
    on_postgres: Serving, lasting: Lasting
) -> None:
    running, calls = on_postgres.running, list[Call]()
    for _ in lasting.rounds():
        with hanging(on_postgres.server):
            assert readiness(running) == 503
            load = Load(running.base, rate=50, seconds=(CONNECTIONS + GENTLE) / 50)
            await load.answers(GENTLE)
        calls += await load.calls()
        assert {call.status for call in calls} == {200, 503}
        calls += await Load(running.base, rate=GENTLE, seconds=1).calls()
        assert {call.status for call in calls[-GENTLE:]} == {200}
    assert of_status(running, 500) == 0
    await check_whole(on_postgres.url, calls)


def readiness(running: Served) -> int:
    return httpx.get(f"{running.base}/health/ready", timeout=PATIENCE_S).status_code


@contextmanager
def hanging(server: Any) -> Iterator[None]:
    """Every process of it stands still: it neither answers nor closes a connection."""
    first = psutil.Process(server.get_pid())
    processes = [first, *first.children()]
    for each in processes:
        each.suspend()
    try:
        yield
    finally:
        for each in processes:
            each.resume()
