"""What an evaluation found, as it is written to report.json. A number, or why there is none.

Evaluation
├── cohort                  who, which split, how many, on which day
├── performance             per predictor: discrimination, calibration, thresholds, net benefit, deciles
├── differences             each later predictor less the first, in the same resamples
├── subgroups               the same by sex, age band, ...; small cells hidden
└── notes                   alarms that a reader must see first
"""

import math
from typing import Literal

import msgspec

SCORE_ONLY = "points are no probability"
UNSETTLED = "the resamples do not settle"
FIRST_ONLY = "measured in subgroups for the first predictor only"
HIDDEN = "hidden: too few, or kept back so that another cell cannot be computed"


class Estimate(msgspec.Struct, frozen=True, tag_field="kind", tag="estimate"):
    """A number and its bootstrap interval, by patient; the cohort says at which level."""

    value: float
    low: float
    high: float


class NotEstimable(msgspec.Struct, frozen=True, tag_field="kind", tag="not_estimable"):
    """No number is given, and why."""

    reason: str


Metric = Estimate | NotEstimable
Kind = Literal["probability", "score"]
Verdict = Literal["holds", "does_not_hold", "not_estimable"]
Hiding = Literal["nothing", "counts", "all"]
DECIMALS = 4  # METHOD.md, Equality: stored and shown values are rounded once, here


class CohortFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What every number of the evaluation belongs to. `interval` says how intervals were made."""

    name: str
    split: str
    label: str
    evaluated_on: str
    synthetic: bool
    rows: int
    patients: int
    positives: int
    prevalence: Metric
    interval: str


class AtThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """What flagging every stay at or above `threshold` does; `rule` says where it comes from."""

    rule: str
    threshold: float
    sensitivity: Metric
    specificity: Metric
    ppv: Metric
    npv: Metric
    alerts_per_100: Metric


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """Net benefit per stay at one threshold probability; treating none is 0 everywhere."""

    threshold: float
    net_benefit: Metric
    treat_all: Metric


class Line(msgspec.Struct, frozen=True):
    """A drawn curve, thinned to a fixed grid."""

    x: tuple[float, ...]
    y: tuple[float, ...]


class Decile(msgspec.Struct, frozen=True, kw_only=True):
    """Stays of one tenth of predicted risk. `observed` has its binomial (Wilson) interval;
    `interval_low`/`interval_high` are the model's mean interval, None without one."""

    rows: int
    mean_predicted: float
    observed: float
    observed_low: float
    observed_high: float
    interval_low: float | None = None
    interval_high: float | None = None
    holds: bool | None = None


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What plots need beside the numbers. `deciles` and `histogram` (stays per twentieth of
    [0, 1], None where hidden) are empty for a score."""

    roc: Line
    precision_recall: Line
    deciles: tuple[Decile, ...] = ()
    histogram: tuple[int | None, ...] = ()


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """One predictor on the rows where it exists; `left_out` are those where it does not."""

    name: str
    kind: Kind
    rows: int
    left_out: int
    positives: int
    auroc: Metric
    auprc: Metric
    brier: Metric
    slope: Metric
    intercept: Metric
    in_the_large: Metric
    ece: Metric
    thresholds: tuple[AtThreshold, ...] = ()
    decision_curve: tuple[CurvePoint, ...] = ()
    drawn: Drawn | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """`name` less `against`, both on the `rows` that both have, in the same resamples."""

    name: str
    against: str
    rows: int
    auroc: Metric
    auprc: Metric
    brier: Metric


class GroupPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """One predictor in one subgroup; thresholds are the whole cohort's."""

    name: str
    auroc: Metric
    auprc: Metric
    brier: Metric
    slope: Metric
    intercept: Metric
    in_the_large: Metric
    thresholds: tuple[AtThreshold, ...] = ()


class Subgroup(msgspec.Struct, frozen=True, kw_only=True):
    """One level of one axis. Hidden `all`: neither counts nor numbers. Hidden `counts`: a large
    cell kept back for a small one shows only what adds up to nothing (ranking, slope)."""

    axis: str
    level: str
    hidden: Hiding
    rows: int | None
    patients: int | None
    positives: int | None
    performance: tuple[GroupPerformance, ...]


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report is made of. `interval_verdict`: whether the first predictor's interval
    may be called one (METHOD.md, Explanation and interval), else "spread between models"."""

    cohort: CohortFacts
    performance: tuple[Performance, ...]
    differences: tuple[Difference, ...]
    subgroups: tuple[Subgroup, ...]
    interval_verdict: Verdict
    binning: str
    notes: tuple[str, ...] = ()


def metric(value: float, interval: tuple[float, float] | None, problem: str = "") -> Metric:
    """A number with its interval, or the reason why not."""
    if problem:
        return NotEstimable(problem)
    if interval is None or not math.isfinite(value):
        return NotEstimable(UNSETTLED)
    return Estimate(*(rounded(each) for each in (value, *interval)))


def rounded(value: float) -> float:
    """As stored and shown; never minus nought."""
    return round(float(value), DECIMALS) + 0.0
