"""What must hold whatever happened: nothing acknowledged is lost, and every chain is as written."""

from collections.abc import Collection

import httpx
from sqlalchemy import select

from cds_service.storage.tables import SEALED
from cds_service.storage.vault import Sealed
from tests.service.loading import Call, Served, answered, stored
from tests.service.stored import opened
from tests.service.tampering import found

PATIENCE_S = 60.0
"""For one answer, on a machine that may be busy with other things."""


async def check_whole(url: str, calls: Collection[Call]) -> None:
    """Every acknowledged call is in the database, each record opens, and verification finds nothing."""
    assert answered(calls) <= await stored(url)
    store = opened(url)
    assert await found(store) == []
    async with store.database.reading() as connection:
        for subject, key, content in await connection.execute(
            select(SEALED.c.subject, SEALED.c.wrapped_key, SEALED.c.content)
        ):
            assert store.vault.unseal(subject, Sealed(key, content))
    await store.close()


def counts(running: Served) -> dict[str, float]:
    """`/metrics` of a service of one process, by name with labels."""
    lines = httpx.get(f"{running.base}/metrics", timeout=PATIENCE_S).text.splitlines()
    parts = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in parts}


def of_status(running: Served, status: int) -> float:
    """How many requests that service counts as answered so."""
    said = f'status="{status}"'
    return sum(
        number
        for name, number in counts(running).items()
        if name.startswith("readmit_requests_total") and said in name
    )
