"""What pretraining and text are worth: four ways to start, few labels and many, several seeds.

All runs are read on the same rows in the same resamples, so that differences are paired.
"""

import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import msgspec
import numpy

from training.appraisal.bootstrap import patient_weights
from training.appraisal.findings import CohortFacts, Metric, rounded
from training.appraisal.gauges import (
    PREVALENCE,
    PREVALENCE_READING,
    Gauge,
    Measured,
    Readings,
    measure,
    prevalence_gauge,
    too_few,
)
from training.appraisal.predictors import EvaluationSettings, Predictions, check, cohort_facts
from training.errors import CohortError, SettingError
from training.metrics import rank
from training.tables import Flags, Floats, Strings, Table

Arm = Literal["random", "masked", "contrastive", "masked+contrastive"]
ARMS: tuple[Arm, ...] = get_args(Arm)
FRACTIONS = (0.01, 0.1, 1.0)
COMPARED: tuple[tuple[Arm, Arm], ...] = (
    ("masked", "random"),
    ("contrastive", "random"),
    ("masked+contrastive", "random"),
    ("masked+contrastive", "masked"),  # what text adds
)


@dataclass(frozen=True)
class ArmRun:
    """One fine-tuned model: `values` (rows,) are its probabilities for the rows of the table,
    `train_positives` what it had to learn from."""

    arm: Arm
    fraction: float
    seed: int
    train_positives: int
    values: Floats


class ArmResult(msgspec.Struct, frozen=True, kw_only=True):
    """Mean over the seeds of an arm; the interval is over patients, `seed_low` to `seed_high` the
    range of the AUROC over seeds (0, 0 where it is not estimable)."""

    arm: Arm
    fraction: float
    seeds: int
    train_positives: int
    auroc: Metric
    auprc: Metric
    seed_low: float
    seed_high: float


class ArmDifference(msgspec.Struct, frozen=True, kw_only=True):
    """`arm` less `against` with the same labels; both are means over seeds."""

    arm: Arm
    against: Arm
    fraction: float
    auroc: Metric
    auprc: Metric


class Ablation(msgspec.Struct, frozen=True, kw_only=True):
    """The whole table, by fraction and arm."""

    cohort: CohortFacts
    results: tuple[ArmResult, ...]
    differences: tuple[ArmDifference, ...]


def label_subset(table: Table, fraction: float, seed: int) -> Flags:
    """The rows of the first `fraction` of the patients in an order that the seed alone fixes.

    By patient, and nested: 1 % is part of 10 %, 10 % of 100 %. Rows may come in any order.
    """
    if not 0 < fraction <= 1:
        raise SettingError("ablation.fractions", "a fraction is not in (0, 1]", "Correct it")
    patients: Strings = numpy.unique(table.subjects)
    ordered = sorted(
        patients.tolist(), key=lambda each: hashlib.sha256(f"{seed}\n{each}".encode()).digest()
    )
    chosen = ordered[: math.ceil(fraction * len(ordered) - 1e-9)]
    return numpy.isin(table.subjects, numpy.array(chosen, dtype=patients.dtype))


def ablate(
    table: Table, label: str, runs: Sequence[ArmRun], *, settings: EvaluationSettings
) -> Ablation:
    """AUROC and AUPRC of every arm and fraction, and what each start adds. "not estimable" where
    a run had, or the rows have, too few positives. Raises CohortError or SettingError."""
    named = [
        Predictions(f"{run.arm}, {run.fraction:g}, seed {run.seed}", "probability", run.values)
        for run in runs
    ]
    check(table, label, named, None, settings=settings)
    if any(numpy.isnan(run.values).any() for run in runs):
        raise CohortError("ablation", "a run left out some stays", "Predict for every stay")
    rows = ~numpy.isnan(table.labels[label])
    table, outcomes = table.rows(rows), table.labels[label][rows]
    gauges: dict[Hashable, Gauge] = {
        (run.arm, run.fraction, run.seed): _gauge(run, run.values[rows], outcomes, settings)
        for run in runs
    }
    gauges[PREVALENCE] = prevalence_gauge(outcomes, settings.floor.outcomes)
    resamples = patient_weights(table.subjects, settings.resamples, settings.seed)
    measures = measure(gauges, resamples, rows=len(table), level=settings.level)
    arms = {
        (arm, fraction): _mean(runs, measures, arm, fraction)
        for fraction in sorted({run.fraction for run in runs})
        for arm in ARMS
        if any((run.arm, run.fraction) == (arm, fraction) for run in runs)
    }
    return Ablation(
        cohort=cohort_facts(
            table, label, measures[PREVALENCE](PREVALENCE_READING), settings=settings
        ),
        results=tuple(_result(runs, measures, key, found) for key, found in arms.items()),
        differences=_differences(arms),
    )


def _gauge(run: ArmRun, values: Floats, outcomes: Floats, settings: EvaluationSettings) -> Gauge:
    least = settings.floor.outcomes
    problem = too_few(outcomes, least)
    if run.train_positives < least:
        problem = f"fewer than {least} positives to learn from"
    return Gauge(rank(values, outcomes), False, problem)


def _of(runs: Sequence[ArmRun], arm: Arm, fraction: float) -> list[ArmRun]:
    return [run for run in runs if (run.arm, run.fraction) == (arm, fraction)]


def _mean(
    runs: Sequence[ArmRun], measures: Mapping[Hashable, Measured], arm: Arm, fraction: float
) -> Measured:
    own = [measures[arm, fraction, run.seed] for run in _of(runs, arm, fraction)]
    problem = next((each.problem for each in own if each.problem), "")
    if problem:
        return Measured(problem, {}, {}, own[0].level)
    once, drawn = (
        _averaged(parts) for parts in zip(*((m.once, m.drawn) for m in own), strict=True)
    )
    return Measured("", once, drawn, own[0].level)


def _averaged(parts: Sequence[Readings]) -> Readings:
    return {name: numpy.mean([part[name] for part in parts], axis=0) for name in parts[0]}


def _result(
    runs: Sequence[ArmRun],
    measures: Mapping[Hashable, Measured],
    key: tuple[Arm, float],
    found: Measured,
) -> ArmResult:
    own = _of(runs, *key)
    seen = (
        [] if found.problem else [float(measures[*key, run.seed].once["auroc"][0]) for run in own]
    )
    return ArmResult(
        arm=key[0],
        fraction=key[1],
        seeds=len(own),
        train_positives=min(run.train_positives for run in own),
        auroc=found("auroc"),
        auprc=found("auprc"),
        seed_low=rounded(min(seen, default=0.0)),
        seed_high=rounded(max(seen, default=0.0)),
    )


def _differences(arms: Mapping[tuple[Arm, float], Measured]) -> tuple[ArmDifference, ...]:
    return tuple(
        ArmDifference(
            arm=arm,
            against=against,
            fraction=fraction,
            auroc=arms[arm, fraction].less(arms[against, fraction], "auroc"),
            auprc=arms[arm, fraction].less(arms[against, fraction], "auprc"),
        )
        for fraction in dict.fromkeys(fraction for _, fraction in arms)
        for arm, against in COMPARED
        if (arm, fraction) in arms and (against, fraction) in arms
    )
