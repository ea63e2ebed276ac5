"""How long the suite takes: each scenario once and briefly, or over and over for minutes.

`READMIT_SOAK_MINUTES`, which `make soak` sets, is shared out among the scenarios that were chosen.
"""

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random

MINUTES = "READMIT_SOAK_MINUTES"


@dataclass(frozen=True)
class Lasting:
    """One scenario's share of the time, in seconds; 0 is the short form. `chance` times what happens."""

    name: str
    share_s: float = 0.0
    chance: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - nothing is secret

    def rounds(self) -> Iterator[int]:
        """Numbers of rounds: one, or as many as begin within the share."""
        until = time.monotonic() + self.share_s
        for number in count(1):
            self._say(f"{self.name}: round {number}")
            yield number
            if time.monotonic() >= until:
                return

    def seconds(self, short: float) -> float:
        """How long a steady load goes on."""
        return max(short, self.share_s)

    def some(self, least: int, most: int) -> int:
        """How much of something: the least, or by chance, so that no two rounds fall alike."""
        return self.chance.randint(least, most) if self.share_s else least

    def _say(self, line: str) -> None:
        if self.share_s:
            sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
            sys.stdout.flush()


def lasting_for(name: str, scenarios: int) -> Lasting:
    """One of so many scenarios, by the setting. The seed is said, so that a run can be had again."""
    share_s = float(os.environ.get(MINUTES) or 0) * 60 / scenarios
    seed = int(time.time()) if share_s else 1
    return Lasting(f"{name} (seed {seed})", share_s, Random(seed))  # noqa: S311
