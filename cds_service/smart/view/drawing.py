"""Where things stand on a drawing, in percent of its width: it then fits any screen unscaled."""

from collections.abc import Iterable
from dataclasses import dataclass

_TOPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Scale:
    """From `low` to `high` over the whole width."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Percent of the width, no more than the drawing holds."""
        whole = self.high - self.low
        share = (value - self.low) / whole if whole > 0.0 else 0.5
        return round(100.0 * min(max(share, 0.0), 1.0), 2)

    def between(self, one: float, other: float) -> "Span":
        """The stretch between two values, in either order."""
        left, right = sorted((self.at(one), self.at(other)))
        return Span(left, round(right - left, 2))


@dataclass(frozen=True)
class Span:
    """A stretch: where it begins and how wide it is."""

    left: float
    width: float


def scale_of(shares: Iterable[float], *, at_least: float = 0.05) -> Scale:
    """From 0 to a round share that holds them all, and `at_least`."""
    most = max([at_least, *shares])
    return Scale(0.0, next(top for top in _TOPS if most <= top or top == 1.0))


def anchor(left: float) -> str:
    """How a text at that place is aligned so that it does not leave the drawing."""
    if left < 15.0:
        return "start"
    return "end" if left > 85.0 else "middle"
