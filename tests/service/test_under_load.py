"""Two workers under load: a minute at a steady rate, a stop, and workers that are killed.

Real processes, real databases. What is acknowledged is in the database, whatever dies.
"""

import asyncio
import os
import signal
import statistics
import sys
from collections.abc import Collection
from pathlib import Path

import httpx
import pytest

from tests.service.conftest import POSTGRES
from tests.service.loading import Call, Load, Served, answered, served, stored

pytestmark = [pytest.mark.slow, pytest.mark.load]
RATE, WORKERS = 50, 2
GENTLE = 20
"""Requests a second where a death or the end is the matter: a busy machine keeps up."""
BEFORE = 60
"""Answers before anything is done to the service."""
ANSWERS = {200, 503, None}
"""What a worker's death may bring: 503 says that the row was not stored, while the machine starts
another; None is a connection that broke."""
MINUTE_S, SETTLED = 60.0, 1500
GROWTH = 32 * 1024 * 1024
"""Bytes that a worker may grow in the second half: a leak of a third of each request is more."""


# Several workers share PostgreSQL in a hospital; on SQLite they fall behind (docs/how-to/operate.md).
@pytest.mark.parametrize("url", [POSTGRES], indirect=True)
async def test_fifty_requests_a_second_for_a_minute(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with served(tmp_path, url, workers=WORKERS) as running:
        load = Load(running.base, rate=RATE, seconds=MINUTE_S)
        await load.answers(SETTLED)
        settled = memory(running)
        calls = await load.calls()
        at_end = memory(running)
        assert running.stop() == 0
    with capsys.disabled():
        sys.stdout.write(f"\n{url.partition('+')[0]}: {spread(calls)}; {settled} -> {at_end}\n")
    assert {(call.status, call.cards) for call in calls} == {(200, 1)}
    assert len(calls) == RATE * MINUTE_S
    assert await stored(url) == answered(calls)
    assert settled.keys() == at_end.keys()
    assert all(at_end[pid] - settled[pid] <= GROWTH for pid in settled)


async def test_a_stop_under_load_answers_what_was_accepted(url: str, tmp_path: Path) -> None:
    with served(tmp_path, url, workers=WORKERS) as running:
        load = Load(running.base, rate=GENTLE, seconds=60)
        await load.answers(BEFORE)
        status = await asyncio.to_thread(running.stop)
        calls = await load.end()
        assert status == 0
        assert {call.status for call in calls} <= {200, None}
        assert await stored(url) == answered(calls)  # nothing was taken up and then dropped
        assert running.audit("verify").returncode == 0


async def test_a_killed_worker_loses_nothing_acknowledged_and_is_replaced(
    url: str, tmp_path: Path
) -> None:
    with served(tmp_path, url, workers=WORKERS) as running:
        before = set(running.workers())
        load = Load(running.base, rate=GENTLE, seconds=12)
        await load.answers(BEFORE)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        calls = await load.calls()
        after = set(await running.complete(WORKERS))
        assert len(before) == len(after) == WORKERS
        assert before - after == {killed}
        assert {call.status for call in calls} <= ANSWERS
        assert len(answered(calls)) > len(calls) / 2
        assert counted(running) >= len(answered(calls))  # the counts of the dead one too
        assert running.stop() == 0
        assert answered(calls) <= await stored(url)
        assert running.audit("verify").returncode == 0


async def test_everything_killed_loses_nothing_acknowledged(url: str, tmp_path: Path) -> None:
    with served(tmp_path, url, workers=WORKERS) as running:
        load = Load(running.base, rate=GENTLE, seconds=60)
        await load.answers(BEFORE)
        running.kill_all()
        calls = await load.end()
        assert {call.status for call in calls} <= ANSWERS
        assert len(answered(calls)) > BEFORE / 2  # or this would show nothing
        assert answered(calls) <= await stored(url)
        assert running.audit("verify").returncode == 0
    with served(tmp_path, url, workers=WORKERS) as again:
        (call,) = await Load(again.base, rate=1, seconds=1).calls()
        assert (call.status, call.cards) == (200, 1)
        assert again.audit("verify").returncode == 0
        assert again.stop() == 0


def memory(running: Served) -> dict[int, int]:
    """Bytes that each worker holds."""
    return {pid: each.memory_info().rss for pid, each in running.workers().items()}


def counted(running: Served) -> float:
    """The assessments that `/metrics` counts, over all workers."""
    lines = httpx.get(f"{running.base}/metrics").text.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("readmit_assessments_total")
    )


def spread(calls: Collection[Call]) -> str:
    """The percentiles of the answers' times."""
    cuts = statistics.quantiles((call.seconds * 1000 for call in calls), n=100)
    return ", ".join(f"p{percent} {cuts[percent - 1]:.0f} ms" for percent in (50, 95, 99))
