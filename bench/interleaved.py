"""Several ways to one thing, timed by turns in one process."""

import time
from collections.abc import Callable, Mapping
from typing import Any


def shortest(ways: Mapping[str, Callable[[], Any]], *, rounds: int) -> dict[str, float]:
    """Milliseconds of each way at its best: what else the machine does can only add. Each is called once before."""
    for call in ways.values():
        call()
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(rounds):
        for name, call in ways.items():
            began = time.perf_counter()
            call()
            best[name] = min(best[name], (time.perf_counter() - began) * 1000)
    return best
