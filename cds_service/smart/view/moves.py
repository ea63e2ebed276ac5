"""What moved an estimate, concept by concept, from a typical patient to this one; it adds up."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cds_service.hooks.estimate import concept
from cds_service.hooks.wording import CONCEPTS, whole_percent
from cds_service.smart.view.drawing import Scale, Span
from cds_service.smart.view.modifiable import may_change
from cds_service.smart.view.stored import Stored
from cds_service.smart.view.words import NOT_ATTRIBUTED, NOT_ATTRIBUTED_IS, SMALL
from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS, CoverageGroup
from model.scoring import Contribution, Score

LEAST = 0.005
"""Log-odds; less is 0.00 in two decimals."""
_NEAREST = 5e-5  # half of the last decimal that a probability is kept with


@dataclass(frozen=True)
class Moved:
    """One bar. `shown` is the value in this patient, `may_change` why it may be changed."""

    name: str
    shown: str
    amount: float
    bar: Span
    may_change: str | None = None

    @property
    def written(self) -> str:
        """With its sign, as the card has it; what is left over with one decimal more."""
        return f"{self.amount:+.3f}" if self.name == NOT_ATTRIBUTED else f"{self.amount:+.2f}"


@dataclass(frozen=True)
class MovedGroup:
    """The bars of one group; `small`: name and amount of those too small for one of their own."""

    title: str
    subtotal: str
    bars: tuple[Moved, ...]
    small: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class End:
    """Where the way begins or ends: log-odds, the probability that it is, its place."""

    log_odds: float
    share: str
    left: float


@dataclass(frozen=True)
class Moves:
    """`start` and all amounts and `rest` are `end`."""

    start: End
    end: End
    groups: tuple[MovedGroup, ...]
    rest: Moved

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """What may be changed, and why we say so."""
        bars = (each for group in self.groups for each in group.bars)
        return tuple((each.name, each.may_change) for each in bars if each.may_change)

    @property
    def small(self) -> tuple[tuple[str, str], ...]:
        """What moves it too little for a bar of its own."""
        return tuple(each for group in self.groups for each in group.small)


def moves_of(stored: Stored) -> Moves | None:
    """None where there is no estimate, or what moved it was not kept."""
    score = stored.contents.score if stored.contents else None
    if score is None or score.probability is None:
        return None
    end = log_odds(score.probability)
    start = end - sum(each.amount for each in score.contributions) - score.not_attributed
    grouped = {name: _of_group(score, name) for name in COVERAGE_GROUPS}
    scale = _scale(start, score, grouped.values())
    walk = _Walk(start, scale, stored)
    groups = tuple(walk.group(name, found) for name, found in grouped.items() if found)
    rest = walk.step(NOT_ATTRIBUTED, NOT_ATTRIBUTED_IS, score.not_attributed)
    return Moves(_end(start, scale), _end(end, scale), groups, rest)


def log_odds(probability: float) -> float:
    """Of a probability kept to 4 decimals: 0 and 1 are as near to it as that allows."""
    held = min(max(probability, _NEAREST), 1.0 - _NEAREST)
    return math.log(held / (1.0 - held))


def group_of(name: str) -> CoverageGroup:
    """Of the first feature of a concept; what the catalogue does not know is of this stay."""
    return next((each.coverage_group for each in CATALOGUE if each.concept == name), "this_stay")


def called(name: str) -> str:
    """A concept in the catalogue's words."""
    labels = (each.label for each in CATALOGUE if each.concept == name)
    return CONCEPTS.get(name) or next(labels, name.replace("_", " "))


def _of_group(score: Score, name: str) -> list[Contribution]:
    return [each for each in score.contributions if group_of(each.concept) == name]


def _scale(start: float, score: Score, grouped: Iterable[list[Contribution]]) -> Scale:
    """Wide enough for every stop on the way."""
    stops = [start]
    for found in grouped:
        for each in _ordered(found):
            stops.append(stops[-1] + each.amount)
    stops.append(stops[-1] + score.not_attributed)
    room = max(max(stops) - min(stops), 0.1) * 0.02
    return Scale(min(stops) - room, max(stops) + room)


def _ordered(found: list[Contribution]) -> list[Contribution]:
    """Those with a bar first; the small ones make one step together."""
    return sorted(found, key=lambda each: (abs(each.amount) < LEAST, -abs(each.amount)))


def _end(at: float, scale: Scale) -> End:
    return End(at, whole_percent(1.0 / (1.0 + math.exp(-at))), scale.at(at))


class _Walk:
    """Lays one bar after the other."""

    def __init__(self, start: float, scale: Scale, stored: Stored) -> None:
        self._at, self._scale, self._stored = start, scale, stored

    def group(self, name: str, found: list[Contribution]) -> MovedGroup:
        title = self._stored.words.groups[name]
        large = [each for each in _ordered(found) if abs(each.amount) >= LEAST]
        small = [each for each in found if abs(each.amount) < LEAST]
        bars = [self._concept(each) for each in large]
        if small:
            bars.append(self.step(SMALL.format(len(small)), "", sum(e.amount for e in small)))
        subtotal = f"{sum(each.amount for each in found):+.2f}"
        listed = tuple((called(e.concept), f"{e.amount:+.4f}") for e in small)
        return MovedGroup(title[:1].upper() + title[1:], subtotal, tuple(bars), listed)

    def _concept(self, each: Contribution) -> Moved:
        name, shown = self._named(each.concept)
        why = may_change(each.concept, self._stored.task, self._stored.row["timing"])
        return self.step(name, shown, each.amount, why)

    def step(self, name: str, shown: str, amount: float, why: str | None = None) -> Moved:
        bar = self._scale.between(self._at, self._at + amount)
        self._at += amount
        return Moved(name, shown, amount, bar, why)

    def _named(self, name: str) -> tuple[str, str]:
        """In the card's words, where the inputs are known."""
        vector = self._stored.vector
        taken = {feature.name for feature in self._stored.inputs if feature.concept == name}
        if vector is None or not taken:
            return called(name), ""
        return concept(name, vector, taken)


def amounts(moves: Moves) -> Iterator[float]:
    """Every step of the way, in order."""
    for group in moves.groups:
        yield from (bar.amount for bar in group.bars)
    yield moves.rest.amount
