"""From predictors to gauges and from their readings to findings; all share the same resamples."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy

from training.appraisal import curves
from training.appraisal.findings import (
    FIRST_ONLY,
    HIDDEN,
    AtThreshold,
    CurvePoint,
    Difference,
    Drawn,
    GroupPerformance,
    Hiding,
    NotEstimable,
    Performance,
    Subgroup,
    rounded,
)
from training.appraisal.gauges import Gauge, Measured, too_few
from training.appraisal.predictors import EvaluationSettings, Known
from training.appraisal.subgroups import Axis, hidden_cells
from training.metrics import rank
from training.tables import Flags, Floats, Table

Measures = Mapping[Hashable, Measured]
Gauges = dict[Hashable, Gauge]
_RULE_MEASURES = ("sensitivity", "specificity", "ppv", "npv", "alerts_per_100")


@dataclass(frozen=True)
class Cell:
    """One level of one axis on the labelled rows."""

    axis: str
    level: str
    rows: Flags
    hidden: Hiding


def cells_of(
    axes: Sequence[Axis], table: Table, outcomes: Floats, *, settings: EvaluationSettings
) -> tuple[Cell, ...]:
    """Every level of every axis, with what must be hidden already decided."""
    found = []
    for axis in axes:
        hidden = hidden_cells(axis, table.subjects, outcomes, floor=settings.floor)
        found += [
            Cell(axis.name, level, rows, hidden[level]) for level, rows in axis.cells().items()
        ]
    return tuple(found)


def overall_gauges(
    known: Sequence[Known], outcomes: Floats, *, settings: EvaluationSettings
) -> Gauges:
    """Each predictor where it exists, and each pair with the first where both exist."""
    gauges: Gauges = {}
    for each in known:
        curve = settings.curve if each.probability else ()
        gauges["all", each.place] = _gauge(each, outcomes, each.rows, settings, curve=curve)
        if not (each.rows == known[0].rows).all():
            both = each.rows & known[0].rows
            gauges["pair", each.place] = _gauge(each, outcomes, both, settings, recalibrate=False)
            gauges["first", each.place] = _gauge(
                known[0], outcomes, both, settings, recalibrate=False
            )
    return gauges


def group_gauges(
    known: Sequence[Known],
    cells: Sequence[Cell],
    outcomes: Floats,
    *,
    settings: EvaluationSettings,
) -> Gauges:
    """Each predictor in each shown cell; only the first is recalibrated there."""
    return {
        (cell.axis, cell.level, each.place): _gauge(
            each, outcomes, cell.rows & each.rows, settings, recalibrate=each.place == 0
        )
        for cell in cells
        if cell.hidden != "all"
        for each in known
    }


def performance(
    known: Known,
    measures: Measures,
    outcomes: Floats,
    *,
    bounds: curves.Bounds | None,
    settings: EvaluationSettings,
) -> Performance:
    """One predictor overall. Curves are left out where nothing can be estimated."""
    found = measures["all", known.place]
    return Performance(
        name=known.name,
        kind=known.predictions.kind,
        rows=int(known.rows.sum()),
        left_out=int((~known.rows).sum()),
        positives=int(outcomes[known.rows].sum()),
        auroc=found("auroc"),
        auprc=found("auprc"),
        brier=found("brier"),
        slope=found("slope"),
        intercept=found("intercept"),
        in_the_large=found("in_the_large"),
        ece=found("ece"),
        thresholds=_thresholds(known, found),
        decision_curve=_decision_curve(found, settings.curve if known.probability else ()),
        drawn=None if found.problem else _drawn(known, outcomes, bounds, settings.level),
    )


def difference(first: Known, other: Known, measures: Measures) -> Difference:
    """`other` less `first` on the rows that both have."""
    whole = ("pair", other.place) not in measures
    mine = measures["all" if whole else "pair", other.place]
    its = measures["all", first.place] if whole else measures["first", other.place]
    return Difference(
        name=other.name,
        against=first.name,
        rows=int((first.rows & other.rows).sum()),
        auroc=mine.less(its, "auroc"),
        auprc=mine.less(its, "auprc"),
        brier=mine.less(its, "brier"),
    )


def subgroup(
    cell: Cell, known: Sequence[Known], measures: Measures, *, table: Table, outcomes: Floats
) -> Subgroup:
    """One cell; a hidden one says that it is, and nothing else."""
    counted = cell.hidden == "nothing"
    return Subgroup(
        axis=cell.axis,
        level=cell.level,
        hidden=cell.hidden,
        rows=int(cell.rows.sum()) if counted else None,
        patients=len(numpy.unique(table.subjects[cell.rows])) if counted else None,
        positives=int(outcomes[cell.rows].sum()) if counted else None,
        performance=tuple(_in_group(each, cell, measures) for each in known),
    )


def _in_group(known: Known, cell: Cell, measures: Measures) -> GroupPerformance:
    hidden = Measured(HIDDEN, {}, {}, 0.0)
    found = hidden if cell.hidden == "all" else measures[cell.axis, cell.level, known.place]
    adding = found if cell.hidden == "nothing" else hidden
    unread = known.probability and known.place > 0 and not found.problem
    line = NotEstimable(FIRST_ONLY) if unread else None
    return GroupPerformance(
        name=known.name,
        auroc=found("auroc"),
        auprc=found("auprc"),
        brier=adding("brier"),
        slope=line or found("slope"),
        intercept=line or found("intercept"),
        in_the_large=adding("in_the_large"),
        thresholds=_thresholds(known, found) if cell.hidden == "nothing" else (),
    )


def _gauge(
    known: Known,
    outcomes: Floats,
    rows: Flags,
    settings: EvaluationSettings,
    *,
    curve: tuple[float, ...] = (),
    recalibrate: bool = True,
) -> Gauge:
    return Gauge(
        rank(known.values, outcomes, rows),
        known.probability,
        too_few(outcomes[rows], settings.floor.outcomes),
        tuple(cut for _, cut in known.rules),
        curve,
        recalibrate,
    )


def _drawn(known: Known, outcomes: Floats, bounds: curves.Bounds | None, level: float) -> Drawn:
    values, hits = known.values[known.rows], outcomes[known.rows]
    tally = rank(values, hits).once()
    own = bounds.rows(known.rows) if bounds is not None and known.place == 0 else None
    return Drawn(
        roc=curves.roc_line(tally),
        precision_recall=curves.precision_recall_line(tally),
        deciles=curves.deciles(values, hits, own, level=level) if known.probability else (),
        histogram=curves.histogram(values) if known.probability else (),
    )


def _thresholds(known: Known, found: Measured) -> tuple[AtThreshold, ...]:
    return tuple(
        AtThreshold(
            rule=rule,
            threshold=rounded(cut),
            **{name: found(f"{name}@{i}") for name in _RULE_MEASURES},
        )
        for i, (rule, cut) in enumerate(known.rules)
    )


def _decision_curve(found: Measured, thresholds: Sequence[float]) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(
            threshold=threshold,
            net_benefit=found(f"net_benefit@{i}"),
            treat_all=found(f"treat_all@{i}"),
        )
        for i, threshold in enumerate(thresholds)
    )
