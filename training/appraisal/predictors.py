"""What is compared, and how: predictions on one set of stays, and the settings of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy

from training.appraisal.findings import CohortFacts, Kind, Metric
from training.appraisal.subgroups import Floor
from training.errors import CohortError, SettingError, TrainingError
from training.tables import Flags, Floats, Table

_FLOOR = Floor()


@dataclass(frozen=True)
class Predictions:
    """One predictor on one set of stays. `values` (rows,), NaN where it has none.

    A `score` (points, or a flag) is only ranked: no Brier score, no calibration.
    """

    name: str
    kind: Kind
    values: Floats


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """`cohort`, `split` and `evaluated_on` are carried with every number.

    `thresholds` are probabilities, `top_shares` shares of the stays; `extra_axes` name columns of
    the table by which subgroups are reported as well; an AUROC above `leak_alarm` on real data is
    taken for a leak until explained.
    """

    cohort: str
    split: str
    evaluated_on: date
    synthetic: bool
    resamples: int = 1000
    seed: int = 0
    level: float = 0.95
    thresholds: tuple[float, ...] = (0.1, 0.2, 0.3)
    top_shares: tuple[float, ...] = (0.05, 0.1, 0.2)
    curve: tuple[float, ...] = tuple(step / 100 for step in range(1, 51))
    floor: Floor = _FLOOR
    extra_axes: tuple[str, ...] = ()
    leak_alarm: float = 0.80

    def __post_init__(self) -> None:
        shares = (*self.thresholds, *self.top_shares, *self.curve, self.level)
        if not all(0 < share < 1 for share in shares):
            raise SettingError("evaluation", "a threshold or share is not in (0, 1)", "Correct it")
        if self.resamples < 1:
            raise SettingError("evaluation.resamples", "it is below 1", "Give at least 200")


@dataclass(frozen=True)
class Known:
    """One predictor on the labelled rows: `rows` where it has a value, and its fixed thresholds,
    each with the rule that it comes from."""

    place: int
    predictions: Predictions
    rows: Flags
    rules: tuple[tuple[str, float], ...]

    @property
    def name(self) -> str:
        """The predictor's name."""
        return self.predictions.name

    @property
    def values(self) -> Floats:
        """(rows,), NaN where there is none."""
        return self.predictions.values

    @property
    def probability(self) -> bool:
        """False for points, which are only ranked."""
        return self.predictions.kind == "probability"


def known(place: int, given: Predictions, settings: EvaluationSettings) -> Known:
    """Where a predictor has values, and the values at which it is cut."""
    rows = ~numpy.isnan(given.values)
    chosen = settings.thresholds if given.kind == "probability" else ()
    rules = [(f"probability of {each:g} or more", each) for each in chosen]
    if rows.any():
        shares = settings.top_shares
        rules += [(f"top {share:.0%}", top_cut(given.values[rows], share)) for share in shares]
    return Known(place, given, rows, tuple(rules))


def top_cut(values: Floats, share: float) -> float:
    """The lowest value whose flagging stays within `share` of the stays; where even the highest
    value is too common (points, flags), that one."""
    distinct, counts = numpy.unique(values, return_counts=True)
    above = numpy.cumsum(counts[::-1])[::-1] / len(values)
    within = distinct[above <= share + 1e-12]
    return float(within[0] if len(within) else distinct[-1])


def check(
    table: Table,
    label: str,
    predictions: Sequence[Predictions],
    intervals: tuple[Floats, Floats] | None,
    *,
    settings: EvaluationSettings,
) -> None:
    """Refuse what would give a number that means something else. Raises a TrainingError."""
    where = f"evaluation of {label}"
    if label not in table.labels:
        raise SettingError(where, "the table has no such label", "Name one of its labels")
    if numpy.isnan(table.labels[label]).all():
        raise CohortError(where, "no stay has this label", "Check cohort and label")
    if set(table.splits) != {settings.split}:
        raise CohortError(where, f"rows of another split than {settings.split}", "Pass one split")
    names = [each.name for each in predictions]
    if not names or len({*names}) < len(names):
        raise SettingError(where, "predictors are missing or share a name", "Name each once")
    for each in predictions:
        _check_values(each, len(table))
    if intervals and any(len(bound) != len(table) for bound in intervals):
        raise TrainingError(where, "bounds are not one per row", "Predict on the same table")


def _check_values(given: Predictions, rows: int) -> None:
    if given.values.shape != (rows,):
        raise TrainingError(given.name, "predictions are not one per row", "Predict on this table")
    there = given.values[~numpy.isnan(given.values)]
    if not numpy.isfinite(there).all():
        raise TrainingError(given.name, "a prediction is infinite", "Check the model")
    if given.kind == "probability" and len(there) and not (0 <= there.min() <= there.max() <= 1):
        raise TrainingError(given.name, "a probability is outside [0, 1]", "Call it a score")


def cohort_facts(
    table: Table, label: str, prevalence: Metric, *, settings: EvaluationSettings
) -> CohortFacts:
    """What every number of an evaluation of these rows belongs to."""
    return CohortFacts(
        name=settings.cohort,
        split=settings.split,
        label=label,
        evaluated_on=settings.evaluated_on.isoformat(),
        synthetic=settings.synthetic,
        rows=len(table),
        patients=len(numpy.unique(table.subjects)),
        positives=int(table.labels[label].sum()),
        prevalence=prevalence,
        interval=f"{settings.level:.0%} percentile interval, {settings.resamples} bootstrap "
        f"resamples of patients, seed {settings.seed}",
    )
