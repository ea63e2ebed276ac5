"""Counting what may be shown: text of a record only where several patients share it."""

from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
_LONGEST = 120
_LATE = 48.0


@dataclass
class Tally(Generic[K]):
    """How often each thing was seen, and with how many patients. Filled patient by patient."""

    counts: Counter[K] = field(default_factory=Counter)
    patients: Counter[K] = field(default_factory=Counter)

    def add(self, of_patient: Counter[K]) -> None:
        """All that was seen with one patient, once."""
        self.counts.update(of_patient)
        self.patients.update(of_patient.keys())

    def common(self, least: int) -> Iterator[tuple[K, int, int]]:
        """What at least `least` patients share, commonest first: thing, count, patients."""
        order = sorted(self.patients, key=lambda k: (-self.patients[k], -self.counts[k], str(k)))
        for each in order:
            if self.patients[each] >= least:
                yield each, self.counts[each], self.patients[each]

    def rare(self, least: int) -> list[K]:
        """What fewer share."""
        return [each for each, patients in self.patients.items() if patients < least]


@dataclass
class Hours:
    """Hours, to a tenth below two days and whole above, so that memory does not grow with stays."""

    counts: Counter[float] = field(default_factory=Counter)

    def add(self, hours: float) -> None:
        """One stay's; a day without a time may lie after discharge, which is then none."""
        self.counts[round(max(hours, 0.0), 1 if hours < _LATE else None)] += 1

    def at(self, share: float) -> float:
        """The smallest value that at least this share of the stays does not exceed."""
        return ranked(self.counts, share)


def ranked(counts: Counter[float], share: float) -> float:
    """The smallest value with at least `share` of all counts at or below it; 0 of nothing."""
    left = share * counts.total()
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return float(value)
    return 0.0


def shown(text: str | None) -> str:
    """A text as it may stand in a report: printable and not long; else empty."""
    plain = text or ""
    return plain if len(plain) <= _LONGEST and plain.isprintable() else ""
