"""Clients that dribble, hang or vanish: the others are answered, and nothing of it is an error of ours."""

import asyncio

import pytest

from tests.service.loading import Call, Load
from tests.soak.conftest import GENTLE, Serving
from tests.soak.dribbling import dribbled, request, stuck, vanish
from tests.soak.lasting import Lasting
from tests.soak.whole import check_whole, of_status

pytestmark = [pytest.mark.slow, pytest.mark.load]
WHOLE = len(request())
CUT = {"within the head": 20, "within the body": WHOLE // 2, "before the answer": WHOLE}
EACH, SLOW = 20, 10


async def test_the_others_are_answered(on_sqlite: Serving, lasting: Lasting) -> None:
    base, calls = on_sqlite.running.base, list[Call]()
    for _ in lasting.rounds():
        left = of_status(on_sqlite.running, 499)
        hanging = [await stuck(base, after=after) for after in CUT.values() for _ in range(EACH)]
        load = Load(base, rate=GENTLE, seconds=lasting.some(2, 10))
        slow = await asyncio.gather(*(dribbled(base) for _ in range(SLOW)))
        calls += await load.calls()
        for each in hanging:
            await vanish(each)
        assert set(slow) == {200}
        assert {(call.status, call.cards) for call in calls} == {(200, 1)}
        assert of_status(on_sqlite.running, 499) - left == EACH  # those within the body
        assert of_status(on_sqlite.running, 500) == 0
    await check_whole(on_sqlite.url, calls)
