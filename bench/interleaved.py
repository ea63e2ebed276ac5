"""Several ways to one thing, timed by turns in one process."""

import time
from collections.abc import Callable, Mapping
from typing import Any


def shortest(
    ways: Mapping[str, Callable[[], Any]],
    *,
    rounds: int,
    turn: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Milliseconds of each way at its best: what else the machine does can only add. Each is called once before.

    `turn`: calls at a time; several let a short one find its own memory in the caches.
    """
    for call in ways.values():
        call()
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, call in ways.items():
            best[name] = min(best[name], *(_milliseconds(call, clock) for _ in range(turn)))
    return best


def _milliseconds(call: Callable[[], Any], clock: Callable[[], float]) -> float:
    began = clock()
    call()
    return (clock() - began) * 1000
