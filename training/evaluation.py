"""Arrays in, findings out: several predictors on the same stays, with intervals by patient.

Nothing here opens a split, reads a clock or writes a file.
"""

from collections.abc import Sequence

import numpy

from training.appraisal import comparison, curves
from training.appraisal.bootstrap import patient_weights
from training.appraisal.findings import Estimate, Evaluation, Performance, Verdict
from training.appraisal.gauges import PREVALENCE, PREVALENCE_READING, measure, prevalence_gauge
from training.appraisal.predictors import (
    EvaluationSettings,
    Known,
    Predictions,
    check,
    cohort_facts,
    known,
)
from training.appraisal.subgroups import axes_of
from training.tables import Floats, Table

__all__ = ["EvaluationSettings", "Predictions", "evaluate"]

_BINNING = "ECE and deciles: ten bins of equally many stays, tied predictions in one bin"
_SYNTHETIC = "The data are synthetic: no number here says anything about patients."


def evaluate(
    table: Table,
    label: str,
    predictions: Sequence[Predictions],
    *,
    intervals: tuple[Floats, Floats] | None = None,
    settings: EvaluationSettings,
) -> Evaluation:
    """Compare predictors on the rows of `table` that have `label`, each with the first.

    `table` holds one split. `intervals`: lower and upper bound of the first predictor, (rows,)
    each. Raises CohortError, SettingError or TrainingError; too few positives raise nothing, but
    give "not estimable".
    """
    check(table, label, predictions, intervals, settings=settings)
    rows = ~numpy.isnan(table.labels[label])
    bounds = None if intervals is None else curves.Bounds(*intervals).rows(rows)
    table, outcomes = table.rows(rows), table.labels[label][rows]
    compared = [
        known(place, Predictions(each.name, each.kind, each.values[rows]), settings)
        for place, each in enumerate(predictions)
    ]
    axes = axes_of(table, settings.extra_axes)
    cells = comparison.cells_of(axes, table, outcomes, settings=settings)
    measures = _measured(table, outcomes, compared, cells, settings=settings)
    performance = tuple(
        comparison.performance(each, measures, outcomes, bounds=bounds, settings=settings)
        for each in compared
    )
    prevalence, drawn = measures[PREVALENCE](PREVALENCE_READING), performance[0].drawn
    verdict = curves.verdict(drawn.deciles if drawn else ())
    return Evaluation(
        cohort=cohort_facts(table, label, prevalence, settings=settings),
        performance=performance,
        differences=tuple(
            comparison.difference(compared[0], each, measures) for each in compared[1:]
        ),
        subgroups=tuple(
            comparison.subgroup(cell, compared, measures, table=table, outcomes=outcomes)
            for cell in cells
        ),
        interval_verdict=verdict,
        binning=_BINNING,
        notes=_notes(performance, verdict, settings),
    )


def _measured(
    table: Table,
    outcomes: Floats,
    compared: Sequence[Known],
    cells: Sequence[comparison.Cell],
    *,
    settings: EvaluationSettings,
) -> comparison.Measures:
    gauges = {
        **comparison.overall_gauges(compared, outcomes, settings=settings),
        **comparison.group_gauges(compared, cells, outcomes, settings=settings),
        PREVALENCE: prevalence_gauge(outcomes, settings.floor.outcomes),
    }
    resamples = patient_weights(table.subjects, settings.resamples, settings.seed)
    return measure(gauges, resamples, rows=len(table), level=settings.level)


def _notes(
    performance: Sequence[Performance], verdict: Verdict, settings: EvaluationSettings
) -> tuple[str, ...]:
    notes = [_SYNTHETIC] if settings.synthetic else _alarms(performance, settings.leak_alarm)
    notes += [
        f"{each.name} has no value on {each.left_out} of {each.rows + each.left_out} stays: they "
        "are left out for it, and its difference is taken on the stays that both have."
        for each in performance
        if each.left_out
    ]
    if verdict == "does_not_hold":
        notes.append(
            "In at least one tenth of risk the observed rate lies outside the mean interval by "
            'more than binomial error: call the interval "spread between models".'
        )
    return tuple(notes)


def _alarms(performance: Sequence[Performance], limit: float) -> list[str]:
    return [
        f"LEAK ALARM: {each.name} reaches an AUROC above {limit:g} on real data. Published models "
        "of 30-day readmission stay below it: look for an input that knows the outcome."
        for each in performance
        if isinstance(each.auroc, Estimate) and each.auroc.value > limit
    ]
