"""From a feature vector to a Score; no FHIR, no files. The service sees only what is here.

A bundle of kind `published_scores` has no probability of its own: its scorer says so by None
(METHOD.md: a percent for our outcome comes only from a calibrator fitted on a cohort).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy
import torch

from model.attention import Attention, attention
from model.attribution import attribute, by_concept
from model.bundle import Bundle
from model.could_move import Move, moves
from model.trained import Floats, TrainedModel, Value

__all__ = [
    "NO_PROBABILITY",
    "Attention",
    "Contribution",
    "Move",
    "Score",
    "Scorer",
    "Value",
    "scorer_for",
]


@dataclass(frozen=True)
class Contribution:
    """How far one concept moved the logit away from the reference patient's."""

    concept: str
    amount: float


@dataclass(frozen=True)
class Score:
    """`probability` of the bundle's outcome, None where the bundle gives none.

    Rounded here and nowhere else, to 4 decimals. `contributions` on the log-odds scale, largest
    first, and `not_attributed` add up to the distance from the reference patient's log-odds.
    `interval_holds`: a 90 % interval; where not, no more than the spread between models.
    """

    probability: float | None
    interval: tuple[float, float] | None
    contributions: tuple[Contribution, ...]
    not_attributed: float = 0.0
    interval_holds: bool = False


_LEFT_OVER = 1e-3
"""Log-odds that contributions may leave over before the way is walked in finer steps."""
_KEPT = 128
_DECIMALS = 4
_BATCH_DIFFERENCE = 2e-6
"""Twice what METHOD.md (Equality) allows between batches on one build."""
NO_PROBABILITY = Score(probability=None, interval=None, contributions=())


class Scorer(Protocol):
    """Anything that scores one vector in catalogue order.

    `scores`: many vectors at once, each with the probability and interval that `score` gives, without
    contributions. `attention`: where a network looked, None of what is none. `could_move`: of the features `among`
    those `most` that could move the probability furthest, were they known; see could_move.py.
    """

    def score(self, values: Sequence[Value]) -> Score: ...

    def scores(self, vectors: Sequence[Sequence[Value]]) -> tuple[Score, ...]: ...

    def attention(self, values: Sequence[Value]) -> Attention | None: ...

    def could_move(
        self, values: Sequence[Value], among: Collection[str], *, most: int = 5
    ) -> tuple[Move, ...]: ...


class PublishedScorer:
    """Never a percent: the published figures stand in the bundle, beside their own outcomes."""

    def score(self, values: Sequence[Value]) -> Score:
        """No probability, whatever the values."""
        return NO_PROBABILITY

    def scores(self, vectors: Sequence[Sequence[Value]]) -> tuple[Score, ...]:
        """The same, as often as asked."""
        return (NO_PROBABILITY,) * len(vectors)

    def attention(self, values: Sequence[Value]) -> Attention | None:
        """There is no network."""
        return None

    def could_move(
        self, values: Sequence[Value], among: Collection[str], *, most: int = 5
    ) -> tuple[Move, ...]:
        """There is nothing to move."""
        return ()


class TrainedScorer:
    """The trained members, averaged as logits and calibrated."""

    def __init__(self, model: TrainedModel, positions: Sequence[int]) -> None:
        """`positions`: where in the catalogue each column of the model's schema stands."""
        self._model, self._positions = model, positions
        self._concepts = [column.concept for column in model.schema]
        self._reference = model.prepare(model.encode(model.reference)[None])
        self._known = lru_cache(_KEPT)(self._score)

    def score(self, values: Sequence[Value]) -> Score:
        """One vector in catalogue order. A client asks for the same stay again and again: the latest
        scores are kept, for what moved them takes most of a call."""
        return self._known(tuple(values))

    def _score(self, values: tuple[Value, ...]) -> Score:
        table = self._row(values)[None]
        logits = self._model.logits(table)
        calibrator = self._model.calibrator
        low, high = calibrator.interval(logits)
        contributions, rest = self._contributions(self._model.prepare(table))
        return Score(
            probability=_rounded(calibrator.probability(logits)[0]),
            interval=(_rounded(low[0]), _rounded(high[0])),
            contributions=contributions,
            not_attributed=rest,
            interval_holds=calibrator.interval_holds,
        )

    def scores(self, vectors: Sequence[Sequence[Value]]) -> tuple[Score, ...]:
        """Vectors in catalogue order. Products in float32 differ a little with the shape of a batch:
        what lies so near the middle of two roundings that this could be seen is scored alone."""
        if not vectors:
            return ()
        table = numpy.stack([self._row(values) for values in vectors])
        found = self._unrounded(table)
        doubtful = numpy.flatnonzero((_from_middle(found) < _BATCH_DIFFERENCE).any(axis=1))
        for row in doubtful:
            found[row] = self._unrounded(table[row : row + 1])[0]
        holds = self._model.calibrator.interval_holds
        return tuple(_plain(each, interval_holds=holds) for each in found)

    def _unrounded(self, table: Floats) -> Floats:
        """(rows, columns) -> (rows, 3): probability, lower and upper end of the interval."""
        logits, calibrator = self._model.logits(table), self._model.calibrator
        return numpy.stack([calibrator.probability(logits), *calibrator.interval(logits)], axis=1)

    def unrounded(self, values: Sequence[Value]) -> float:
        """The probability before it is rounded: only to tell how near two builds come."""
        table = self._row(values)[None]
        return float(self._model.calibrator.probability(self._model.logits(table))[0])

    def attention(self, values: Sequence[Value]) -> Attention | None:
        """The masks of one vector in catalogue order."""
        prepared = self._model.prepare(self._row(values)[None])
        return attention(self._model.network, prepared, self._model.schema)

    def could_move(
        self, values: Sequence[Value], among: Collection[str], *, most: int = 5
    ) -> tuple[Move, ...]:
        """One vector in catalogue order; what the network does not take moves nothing."""
        found = moves(self._model, self._row(values), among)[:most]
        return tuple(
            Move(each.name, _rounded(each.lowest), _rounded(each.highest)) for each in found
        )

    def _row(self, values: Sequence[Value]) -> Floats:
        """(columns,) in schema order."""
        return self._model.encode([values[index] for index in self._positions])

    def _contributions(self, prepared: torch.Tensor) -> tuple[tuple[Contribution, ...], float]:
        slope = self._model.calibrator.slope
        found = attribute(
            self._model.network, prepared, self._reference, tolerance=_LEFT_OVER / slope
        )
        amounts = by_concept([float(each) for each in found.by_column], self._concepts)
        ordered = sorted(amounts.items(), key=lambda item: (-abs(item[1]), item[0]))
        listed = tuple(Contribution(concept, slope * amount) for concept, amount in ordered)
        return listed, slope * found.rest


def scorer_for(bundle: Bundle) -> Scorer:
    """The scorer that the bundle's kind calls for.

    One thread for torch from here on: a single stay gains nothing by more, and threads that wait
    for each other on a busy machine cost a hundredfold.
    """
    if bundle.trained is None:
        return PublishedScorer()
    torch.set_num_threads(1)
    return TrainedScorer(bundle.trained, bundle.positions)


def _rounded(probability: float) -> float:
    return round(float(probability), _DECIMALS)


def _from_middle(probabilities: Floats) -> Floats:
    """How far each lies from the nearest value at which rounding goes the other way."""
    steps = probabilities * 10**_DECIMALS
    found: Floats = numpy.abs(steps - numpy.floor(steps) - 0.5) / 10**_DECIMALS
    return found


def _plain(unrounded: Floats, *, interval_holds: bool) -> Score:
    probability, low, high = map(_rounded, unrounded)
    return Score(probability, (low, high), (), interval_holds=interval_holds)
