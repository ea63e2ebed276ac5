"""What is drawn rather than tabulated: ROC, precision-recall, deciles of risk, histogram."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy
from numpy.typing import NDArray

from training.appraisal.findings import Decile, Line, Verdict, rounded
from training.appraisal.subgroups import hidden_counts
from training.metrics import Tally, equal_bins, rank
from training.tables import Floats

GRID = numpy.linspace(0, 1, 101)
_HISTOGRAM_BINS = 20
_LEAST_IN_BAR = 11
_LEAST_IN_TENTH = 200


@dataclass(frozen=True)
class Bounds:
    """A model's interval for each row. (rows,) each."""

    lower: Floats
    upper: Floats

    def rows(self, chosen: NDArray[Any]) -> "Bounds":
        """The rows that a mask or an index array names."""
        return Bounds(self.lower[chosen], self.upper[chosen])


def roc_line(tally: Tally) -> Line:
    """Sensitivity over 101 steps of 1 - specificity."""
    fpr, tpr = (counts[0, ::-1] / counts[0, 0] for counts in (tally.alarms, tally.hits))
    return _line(numpy.interp(GRID, fpr, tpr))


def precision_recall_line(tally: Tally) -> Line:
    """Precision at the highest threshold that reaches each of 101 steps of sensitivity."""
    hits, alarms = tally.hits[0, -2::-1], tally.alarms[0, -2::-1]
    place = numpy.searchsorted(hits / hits[-1], GRID - 1e-12)
    return _line((hits / (hits + alarms))[place])


def deciles(
    values: Floats, outcomes: Floats, bounds: Bounds | None, *, level: float
) -> tuple[Decile, ...]:
    """Stays by tenth of predicted risk (rows,), lowest first; ties stay in one tenth."""
    ranked = rank(values, outcomes)
    starts = ranked.starts[equal_bins(ranked.once(), 10)]
    parts = numpy.split(ranked.order, starts[1:])
    return tuple(
        _decile(values[part], outcomes[part], bounds and bounds.rows(part), level) for part in parts
    )


def verdict(found: tuple[Decile, ...]) -> Verdict:
    """Whether in every tenth the observed rate lies in the mean interval, within binomial error.

    Not estimable from few stays: binomial error would then let any interval pass.
    """
    answers = [each.holds for each in found]
    if not answers or None in answers or min(each.rows for each in found) < _LEAST_IN_TENTH:
        return "not_estimable"
    return "holds" if all(answers) else "does_not_hold"


def histogram(values: Floats) -> tuple[int | None, ...]:
    """Stays in each twentieth of [0, 1]; small counts hidden, as cells are."""
    counts, _ = numpy.histogram(values, bins=_HISTOGRAM_BINS, range=(0, 1))
    return hidden_counts([int(count) for count in counts], _LEAST_IN_BAR)


def binomial_interval(successes: float, trials: int, level: float) -> tuple[float, float]:
    """Wilson 1927."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z * float(numpy.sqrt(share * (1 - share) / trials + spread / (4 * trials)))
    half /= 1 + spread
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _decile(values: Floats, outcomes: Floats, bounds: Bounds | None, level: float) -> Decile:
    low, high = binomial_interval(float(outcomes.sum()), len(outcomes), level)
    lower = None if bounds is None else rounded(bounds.lower.mean())
    upper = None if bounds is None else rounded(bounds.upper.mean())
    return Decile(
        rows=len(values),
        mean_predicted=rounded(values.mean()),
        observed=rounded(outcomes.mean()),
        observed_low=rounded(low),
        observed_high=rounded(high),
        interval_low=lower,
        interval_high=upper,
        holds=None if lower is None or upper is None else low <= upper and high >= lower,
    )


def _line(heights: Floats) -> Line:
    return Line(tuple(rounded(each) for each in GRID), tuple(rounded(each) for each in heights))
