"""Reading every measure of a predictor once on the sample and once on each resample."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy
from numpy.typing import NDArray

from training import metrics
from training.appraisal.bootstrap import percentile_interval
from training.appraisal.findings import SCORE_ONLY, Metric, NotEstimable, metric
from training.tables import Floats

Readings = dict[str, Floats]
BINS = 10
PREVALENCE, PREVALENCE_READING = "prevalence", "ppv@0"


@dataclass(frozen=True)
class Gauge:
    """What is measured of one predictor on some rows. `problem`: why nothing is.

    `thresholds` and `curve` are values of the predictor, fixed before any resampling.
    """

    ranked: metrics.Ranked
    probability: bool
    problem: str = ""
    thresholds: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    recalibrate: bool = True

    @cached_property
    def _start(self) -> tuple[float, float]:
        intercept, slope = metrics.calibration_line(self.ranked.once())
        settled = bool(numpy.isfinite(slope[0]))
        return (float(intercept[0]), float(slope[0])) if settled else (0.0, 1.0)

    @cached_property
    def _bins(self) -> NDArray[numpy.intp]:
        return metrics.equal_bins(self.ranked.once(), BINS)

    def read(self, weights: Floats) -> Readings:
        """`weights` (resamples, all rows) -> each measure (resamples,)."""
        tally = self.ranked.count(weights)
        readings = {"auroc": metrics.auroc(tally), "auprc": metrics.auprc(tally)}
        for place, threshold in enumerate(self.thresholds):
            found = metrics.at_threshold(tally, threshold)
            readings |= {f"{name}@{place}": values for name, values in found.items()}
        return readings | self._of_probability(tally) if self.probability else readings

    def _of_probability(self, tally: metrics.Tally) -> Readings:
        readings = {
            "brier": metrics.brier(tally),
            "ece": metrics.ece(tally, self._bins),
            "in_the_large": metrics.in_the_large(tally),
        }
        if self.recalibrate:
            line = metrics.calibration_line(tally, self._start)
            readings |= {"intercept": line[0], "slope": line[1]}
        for place, threshold in enumerate(self.curve):
            readings[f"net_benefit@{place}"] = metrics.net_benefit(tally, threshold)
            readings[f"treat_all@{place}"] = metrics.net_benefit_of_all(tally, threshold)
        return readings


@dataclass(frozen=True)
class Measured:
    """A gauge's readings: `once` (1,) on the sample, `drawn` (resamples,), by measure."""

    problem: str
    once: Readings
    drawn: Readings
    level: float

    def __call__(self, name: str) -> Metric:
        """The measure with its interval, or why there is none."""
        if self.problem:
            return NotEstimable(self.problem)
        if name not in self.once:
            return NotEstimable(SCORE_ONLY)
        return _metric(self.once[name], self.drawn[name], self.level)

    def less(self, other: "Measured", name: str) -> Metric:
        """This one's measure less the other's, resample by resample."""
        if self.problem or other.problem:
            return NotEstimable(self.problem or other.problem)
        if name not in self.once or name not in other.once:
            return NotEstimable(SCORE_ONLY)
        drawn = self.drawn[name] - other.drawn[name]
        return _metric(self.once[name] - other.once[name], drawn, self.level)


def measure(
    gauges: Mapping[Any, Gauge], resamples: Iterable[Floats], *, rows: int, level: float
) -> dict[Hashable, Measured]:
    """Every gauge on the sample and on the same resamples of all `rows`."""
    able = {key: gauge for key, gauge in gauges.items() if not gauge.problem}
    drawn: dict[Hashable, list[Readings]] = {key: [] for key in able}
    for weights in resamples:
        for key, gauge in able.items():
            drawn[key].append(gauge.read(weights))
    once = {key: gauge.read(numpy.ones((1, rows))) for key, gauge in able.items()}
    return {
        key: Measured("", once[key], _joined(drawn[key]), level)
        if key in able
        else Measured(gauge.problem, {}, {}, level)
        for key, gauge in gauges.items()
    }


def too_few(outcomes: Floats, least: int) -> str:
    """Why nothing is estimated on these outcomes; "" where it is."""
    positives = int(outcomes.sum())
    if positives < least:
        return f"fewer than {least} positives"
    return f"fewer than {least} negatives" if len(outcomes) - positives < least else ""


def prevalence_gauge(outcomes: Floats, least: int) -> Gauge:
    """A predictor that flags everybody: its positive predictive value is the prevalence."""
    everyone = metrics.rank(numpy.ones(len(outcomes)), outcomes)
    return Gauge(everyone, False, too_few(outcomes, least), (1.0,))


def _joined(parts: list[Readings]) -> Readings:
    names = parts[0] if parts else {}
    return {name: numpy.concatenate([part[name] for part in parts]) for name in names}


def _metric(once: Floats, drawn: Floats, level: float) -> Metric:
    return metric(float(once[0]), percentile_interval(drawn, level))
