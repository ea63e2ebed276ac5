"""A disk that is full, for the database and for the log: 503 until there is room, and nothing is spoilt."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import psutil
import pytest

from tests.service.loading import Call, Load, Served
from tests.soak.conftest import GENTLE, Serving
from tests.soak.lasting import Lasting
from tests.soak.whole import PATIENCE_S, check_whole, counts, of_status

pytestmark = [pytest.mark.slow, pytest.mark.load]
LOST = "readmit_store_failures_total"


async def test_without_room_calls_are_refused_and_with_it_they_are_answered(
    on_sqlite: Serving, lasting: Lasting
) -> None:
    running, calls = on_sqlite.running, list[Call]()
    for _ in lasting.rounds():
        calls += await some(running, lasting)
        lost = counts(running).get(LOST, 0)
        with no_room(running):
            refused = await some(running, lasting)
            assert {call.status for call in refused} == {503}
            assert counts(running)[LOST] - lost == len(refused)
            assert (
                httpx.get(f"{running.base}/health/ready", timeout=PATIENCE_S).status_code == 200
            )  # it can be read
        calls += await some(running, lasting)
        assert {call.status for call in calls} == {200}
    assert of_status(running, 500) == 0
    with closing(sqlite3.connect(on_sqlite.url.partition("///")[2])) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    await check_whole(on_sqlite.url, calls)


async def some(running: Served, lasting: Lasting) -> list[Call]:
    return await Load(running.base, rate=GENTLE, seconds=lasting.some(1, 5)).calls()


@contextmanager
def no_room(running: Served) -> Iterator[None]:
    """The system refuses that process every write at the end of a file, its log's among them."""
    process = psutil.Process(running.process.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)
