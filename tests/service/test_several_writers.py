"""Several processes on one chain; a process killed at any moment: what was acknowledged is there."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest
from sqlalchemy import select

from cds_service.storage.store import Store
from cds_service.storage.tables import ASSESSMENT
from tests.service.stored import add, opened
from tests.service.tampering import found, links

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


async def writer(url: str, tenant: str, wanted: int) -> Process:
    command = (sys.executable, "-m", "tests.service.writer", url, tenant, str(wanted))
    return await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=PIPE, stderr=PIPE
    )


async def test_four_processes_extend_one_chain(url: str, store: Store) -> None:
    """Two tenants, one of them new to all: neither head is created twice."""
    tenants = ("north", "north", "north", "south")
    writers = [await writer(url, tenant, 50) for tenant in tenants]
    for each in writers:
        _, errors = await each.communicate()
        assert each.returncode == 0, errors.decode()
    for tenant, wanted in (("north", 150), ("south", 50)):
        chain = await links(store, tenant)
        assert [link.number for link in chain] == list(range(1, wanted + 1))
        assert len({link.subject for link in chain}) == wanted
    assert await found(store) == []


@pytest.mark.parametrize("acknowledged", [1, 7, 30])
async def test_a_killed_process_loses_nothing_that_it_acknowledged(
    acknowledged: int, url: str, store: Store
) -> None:
    process = await writer(url, "north", 0)
    assert process.stdout is not None
    printed = [await process.stdout.readline() for _ in range(acknowledged)]
    process.send_signal(signal.SIGKILL)  # at whatever it is doing by now
    rest = (await process.communicate())[0].splitlines(keepends=True)
    promised = {line.decode().strip() for line in (*printed, *rest) if line.endswith(b"\n")}
    assert len(promised) >= acknowledged
    async with store.database.reading() as connection:
        stored = set((await connection.scalars(select(ASSESSMENT.c.uuid))).all())
    assert promised <= stored
    assert len(stored) <= len(promised) + 1  # at most the one whose line was not printed
    assert await found(store) == []
    await add(store)  # and the next writer goes on from there
    assert [link.number for link in await links(store)] == list(range(1, len(stored) + 2))


async def test_workers_that_start_together_migrate_once(url: str) -> None:
    stores = [opened(url) for _ in range(4)]
    await asyncio.gather(*(each.migrate() for each in stores))
    await asyncio.gather(*(add(each) for each in stores))
    assert [link.number for link in await links(stores[0])] == [1, 2, 3, 4]
    for each in stores:
        await each.close()
