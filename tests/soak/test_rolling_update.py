"""Two versions on one PostgreSQL: another bundle, and tables that a later version has migrated."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from cds_service.storage.tables import ASSESSMENT
from tests.service.loading import ROOT, URL, Call, Load, answered, served
from tests.service.requests import example
from tests.service.stored import new_uuid, opened
from tests.soak.conftest import ADDRESS, GENTLE, Serving
from tests.soak.lasting import Lasting
from tests.soak.whole import PATIENCE_S, check_whole, of_status

pytestmark = [pytest.mark.slow, pytest.mark.load, pytest.mark.postgres]
OLD, NEW = "demo", "lace-hospital"
LATER = """
    ALTER TABLE assessment ADD COLUMN later VARCHAR(36);
    CREATE INDEX ix_assessment_later ON assessment (later);
    UPDATE alembic_version SET version_num = '9999';
"""
BACK = """
    ALTER TABLE assessment DROP COLUMN later;
    UPDATE alembic_version SET version_num = '%s';
"""


async def test_clients_that_alternate_are_answered_by_both(
    on_postgres: Serving, tmp_path: Path, lasting: Lasting
) -> None:
    old, url, calls = on_postgres.running, on_postgres.url, list[Call]()
    for _ in lasting.rounds():
        async with migrated_later(
            on_postgres, during=Load(old.base, rate=GENTLE, seconds=600)
        ) as load:
            of_old = await load.end()
            with served(tmp_path, url, workers=1, **OF_NEW) as new:
                both = [
                    Load(each.base, rate=GENTLE, seconds=lasting.some(2, 20)) for each in (old, new)
                ]
                stay = one_stay()
                cards = [await card(each.base, stay) for each in (old, old, new, new, old)]
                of_old += await both[0].calls()
                of_new = await both[1].calls()
                assert new.stop() == 0
            assert httpx.get(f"{old.base}/health/ready", timeout=PATIENCE_S).status_code == 200
        assert {(call.status, call.cards) for call in (*of_old, *of_new)} == {(200, 1)}
        assert cards[0] == cards[1] != cards[2] == cards[3] != cards[4]
        assert await bundles_of(url, answered(of_old)) == {digest(OLD)}
        assert await bundles_of(url, answered(of_new)) == {digest(NEW)}
        calls += [*of_old, *of_new]
    assert of_status(old, 500) == 0
    await check_whole(url, calls)


OF_NEW = {"bundles": f'{{"readmission-risk": "bundles/{NEW}"}}', "public_url": ADDRESS}


def digest(bundle: str) -> str:
    return hashlib.sha256((ROOT / "bundles" / bundle / "manifest.json").read_bytes()).hexdigest()


def one_stay() -> str:
    """The text of a call about a stay that nobody has asked about."""
    name = "margaret-heart-failure"
    return httpx.Request("POST", "/", json=example(name)).content.decode().replace(name, new_uuid())


async def card(base: str, stay: str) -> str:
    """The id of the one card that a call is answered with."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as http:
        (found,) = (await http.post(base + URL, content=stay)).json()["cards"]
    return str(found["uuid"])


async def bundles_of(url: str, instances: set[str]) -> set[str]:
    """The digests that the rows of these calls state."""
    store = opened(url)
    query = select(ASSESSMENT.c.bundle_digest).where(ASSESSMENT.c.hook_instance.in_(instances))
    async with store.database.reading() as connection:
        found = set(await connection.scalars(query))
    await store.close()
    return found


@asynccontextmanager
async def migrated_later(service: Serving, *, during: Load) -> AsyncIterator[Load]:
    """As a version to come would leave the tables, while the present one serves that load."""
    (present,) = service.server.psql("COPY alembic_version TO STDOUT;").split()
    await during.more(GENTLE)
    await asyncio.to_thread(service.server.psql, LATER)
    await during.more(2 * GENTLE)
    try:
        yield during
    finally:
        service.server.psql(BACK % present)
