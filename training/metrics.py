"""How good predictions are, for many weightings of the same rows at once.

Rows are sorted once (`Ranked`); a resample is a row of weights, and all that is asked of it follows
from the weight of positives and negatives at each distinct value (`Tally`). With weights of one the
answers are scikit-learn's; with a patient's multinomial count they are a bootstrap resample's.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
from numpy.typing import NDArray

from model.calibration import expit
from training.tables import Floats

EDGE = 1e-7  # a probability of 0 or 1 has no logit
_NEWTON_STEPS = 25
_TOLERANCE = 1e-7
_LONGEST_STEP = 4.0


@dataclass(frozen=True)
class Tally:
    """`values` (levels,) distinct and rising; `positives`, `negatives` (resamples, levels)."""

    values: Floats
    positives: Floats
    negatives: Floats

    @cached_property
    def weight(self) -> Floats:
        """(resamples, levels)."""
        return self.positives + self.negatives

    @property
    def total(self) -> Floats:
        """All weight. (resamples,)."""
        return numpy.asarray(self.hits[:, 0] + self.alarms[:, 0])

    @cached_property
    def hits(self) -> Floats:
        """Positives at or above each level; the last column, above all of them, is 0."""
        return _at_or_above(self.positives)

    @cached_property
    def alarms(self) -> Floats:
        """Negatives at or above each level; the last column is 0."""
        return _at_or_above(self.negatives)


@dataclass(frozen=True)
class Ranked:
    """Predictions of some rows in rising order; `order` are their places among all rows."""

    values: Floats
    order: NDArray[numpy.intp]
    starts: NDArray[numpy.intp]
    outcomes: Floats

    def count(self, weights: Floats) -> Tally:
        """`weights` (resamples, all rows), 0 or more each."""
        sorted_weights = weights[:, self.order]
        hits = sorted_weights * self.outcomes
        if len(self.starts) < len(self.order):
            sorted_weights = numpy.add.reduceat(sorted_weights, self.starts, axis=1)
            hits = numpy.add.reduceat(hits, self.starts, axis=1)
        return Tally(self.values, hits, sorted_weights - hits)

    def once(self) -> Tally:
        """Every row counted once: a tally of one row."""
        return self.count(numpy.ones((1, int(self.order.max()) + 1)))


def rank(values: Floats, outcomes: Floats, rows: NDArray[Any] | None = None) -> Ranked:
    """Sort `values` (rows,), none of them NaN; `outcomes` 0 or 1. `rows`: a mask or indices."""
    places = numpy.arange(len(values)) if rows is None else numpy.arange(len(values))[rows]
    order = places[numpy.argsort(values[places], kind="stable")]
    distinct, starts = numpy.unique(values[order], return_index=True)
    return Ranked(distinct, order, starts, outcomes[order])


def auroc(tally: Tally) -> Floats:
    """Area under the ROC curve, ties counted half; NaN without both classes. (resamples,)."""
    lower = tally.alarms[:, :1] - tally.alarms[:, :-1] + tally.negatives / 2
    pairs = tally.hits[:, 0] * tally.alarms[:, 0]
    return _ratio(numpy.einsum("ij,ij->i", tally.positives, lower), pairs)


def auprc(tally: Tally) -> Floats:
    """Average precision, as scikit-learn defines it (no interpolation). (resamples,)."""
    precision = _ratio(tally.hits[:, :-1], tally.hits[:, :-1] + tally.alarms[:, :-1])
    summed = numpy.einsum("ij,ij->i", tally.positives, numpy.nan_to_num(precision))
    return _ratio(summed, tally.hits[:, 0])


def brier(tally: Tally) -> Floats:
    """Mean squared error of a probability. (resamples,)."""
    missed, flagged = (1 - tally.values) ** 2, tally.values**2
    return _ratio(tally.positives @ missed + tally.negatives @ flagged, tally.total)


def flagged(tally: Tally, threshold: float) -> tuple[Floats, Floats]:
    """True and false positives when every value at or above `threshold` is flagged. (resamples,)."""
    place = int(numpy.searchsorted(tally.values, threshold))
    return tally.hits[:, place], tally.alarms[:, place]


def at_threshold(tally: Tally, threshold: float) -> dict[str, Floats]:
    """What a rule "flag at or above" does: shares, and alerts per 100 stays. (resamples,) each."""
    hits, alarms = flagged(tally, threshold)
    positives, negatives = tally.hits[:, 0], tally.alarms[:, 0]
    missed, cleared = positives - hits, negatives - alarms
    return {
        "sensitivity": _ratio(hits, positives),
        "specificity": _ratio(cleared, negatives),
        "ppv": _ratio(hits, hits + alarms),
        "npv": _ratio(cleared, cleared + missed),
        "alerts_per_100": 100 * _ratio(hits + alarms, positives + negatives),
    }


def net_benefit(tally: Tally, threshold: float) -> Floats:
    """Vickers and Elkin 2006: true positives less false ones at the threshold's odds, per stay."""
    hits, alarms = flagged(tally, threshold)
    return _ratio(hits - alarms * threshold / (1 - threshold), tally.total)


def net_benefit_of_all(tally: Tally, threshold: float) -> Floats:
    """The same when every stay is flagged; flagging none is 0. (resamples,)."""
    return net_benefit(Tally(numpy.ones(1), tally.hits[:, :1], tally.alarms[:, :1]), threshold)


def equal_bins(tally: Tally, count: int) -> NDArray[numpy.intp]:
    """First level of each of at most `count` bins of equally many stays; ties stay together."""
    reached = numpy.cumsum(tally.weight[0])
    wanted = reached[-1] * numpy.arange(1, count) / count
    inner = numpy.searchsorted(reached, wanted - 1e-9) + 1
    starts = numpy.unique(numpy.concatenate(([0], inner)))
    return starts[starts < len(tally.values)].astype(numpy.intp)


def ece(tally: Tally, bins: NDArray[numpy.intp]) -> Floats:
    """Expected calibration error: mean |predicted - observed| over bins, by weight. (resamples,)."""
    excess = tally.weight * tally.values - tally.positives
    by_bin = numpy.abs(numpy.add.reduceat(excess, bins, axis=1)).sum(axis=1)
    return _ratio(by_bin, tally.total)


def in_the_large(tally: Tally, start: float = 0.0) -> Floats:
    """Intercept of a logistic regression with the logit as offset; 0 is right. (resamples,)."""
    offset = logit(tally.values)
    shift = numpy.full(len(tally.weight), start)
    total, step = tally.hits[:, 0], numpy.full(1, numpy.inf)
    with numpy.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            expected = expit(offset + shift[:, None])
            spread = numpy.einsum("ij,ij->i", tally.weight, expected * (1 - expected))
            step = (total - numpy.einsum("ij,ij->i", tally.weight, expected)) / spread
            step = numpy.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            shift = shift + step
            if not (numpy.abs(step) > _TOLERANCE).any():
                break
    return numpy.where(numpy.abs(step) <= _TOLERANCE, shift, numpy.nan)


def calibration_line(
    tally: Tally, start: tuple[float, float] = (0.0, 1.0)
) -> tuple[Floats, Floats]:
    """Intercept and slope of the outcome on the logit, without a penalty; (0, 1) is right.

    `start` is where Newton's steps begin: from the whole sample's answer a resample needs two or
    three. NaN where they do not settle (one class, or classes that the predictions separate).
    """
    powers = logit(tally.values)[:, None] ** numpy.arange(3)
    seen = tally.positives @ powers[:, :2]
    line = numpy.broadcast_to(numpy.array(start), (1, 2))
    step = numpy.full((len(seen), 2), numpy.inf)
    with numpy.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            step = _newton_step(tally.weight, powers, seen, line)
            line = line + step
            if not (numpy.abs(step) > _TOLERANCE).any():
                break
    settled = (numpy.abs(step) <= _TOLERANCE).all(axis=1)
    answer = numpy.where(settled[:, None], line, numpy.nan)
    return answer[:, 0], answer[:, 1]


def _newton_step(weight: Floats, powers: Floats, seen: Floats, line: Floats) -> Floats:
    expected = expit(line @ powers[:, :2].T)
    spread = expected * (1 - expected)
    if len(line) == 1:  # all resamples stand at one point: two products instead of an array each
        gradient = seen - weight @ (expected.T * powers[:, :2])
        curve = weight @ (spread.T * powers)
    else:
        gradient = seen - (weight * expected) @ powers[:, :2]
        curve = (weight * spread) @ powers
    det = curve[:, 0] * curve[:, 2] - curve[:, 1] ** 2
    intercept = curve[:, 2] * gradient[:, 0] - curve[:, 1] * gradient[:, 1]
    slope = curve[:, 0] * gradient[:, 1] - curve[:, 1] * gradient[:, 0]
    step = numpy.stack([intercept, slope], axis=1) / det[:, None]
    return numpy.clip(step, -_LONGEST_STEP, _LONGEST_STEP)


def logit(probabilities: Floats) -> Floats:
    """Log odds; 0 and 1 are drawn in by EDGE."""
    kept = numpy.clip(probabilities, EDGE, 1 - EDGE)
    return numpy.asarray(numpy.log(kept / (1 - kept)))


def _at_or_above(counts: Floats) -> Floats:
    summed = numpy.zeros((len(counts), counts.shape[1] + 1))
    summed[:, :-1] = numpy.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
    return summed


def _ratio(over: Floats, under: Floats) -> Floats:
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return numpy.asarray(numpy.where(under > 0, over / under, numpy.nan))
