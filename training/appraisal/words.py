"""How numbers are written for people: one way, in report and cards alike."""

from training.appraisal.findings import (
    DECIMALS,
    CohortFacts,
    Estimate,
    Evaluation,
    Metric,
    NotEstimable,
)

_VERDICTS = {
    "holds": "In every tenth of predicted risk the observed rate lies within the mean interval, "
    "allowing for binomial error.",
    "does_not_hold": "Spread between models: in at least one tenth of predicted risk the observed "
    "rate lies outside the mean interval by more than binomial error.",
    "not_estimable": "Whether the interval holds is not estimable here.",
}


def show(metric: Metric) -> str:
    """`0.7250 (0.7150 to 0.7331)`, or why there is no number."""
    if isinstance(metric, NotEstimable):
        return f"not estimable ({metric.reason})"
    value, low, high = (f"{each:.{DECIMALS}f}" for each in (metric.value, metric.low, metric.high))
    return f"{value} ({low} to {high})"


def percent(metric: Metric) -> str:
    """A share in percent, or why there is none."""
    if isinstance(metric, Estimate):
        return f"{metric.value:.1%} ({metric.low:.1%} to {metric.high:.1%})"
    return show(metric)


def where(cohort: CohortFacts) -> str:
    """What goes with every number: cohort, split, size, interval, date."""
    kind = "SYNTHETIC, " if cohort.synthetic else ""
    return (
        f"{kind}{cohort.name}, split {cohort.split}, {cohort.label}: {cohort.rows:,} stays of "
        f"{cohort.patients:,} patients, {cohort.positives:,} positive; {cohort.interval}; "
        f"{cohort.evaluated_on}"
    )


def verdict(evaluation: Evaluation) -> str:
    """What may be said of the interval."""
    return _VERDICTS[evaluation.interval_verdict]
