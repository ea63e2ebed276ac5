"""Generated stays with known risk, for the tests of evaluation, subgroups and ablation."""

from datetime import date

import numpy

from model.calibration import expit
from model.schema import Column, Schema
from training.evaluation import EvaluationSettings, Predictions
from training.tables import Floats, Table

LABEL = "readmission_30d"
SCHEMA = Schema(
    (
        Column("age", "numeric", "age"),
        Column("gender", "categorical", "gender", ("F", "M", "other")),
        Column("insurance", "categorical", "insurance", ("medicare", "medicaid", "private")),
    )
)
SETTINGS = EvaluationSettings(
    cohort="generated",
    split="held_out",
    evaluated_on=date(2026, 1, 2),
    synthetic=False,
    resamples=100,
    curve=(0.1, 0.2),
)


def generated(rows: int = 2400, seed: int = 0, spread: float = 1.0) -> tuple[Table, Floats]:
    """A table and the true probabilities of its labels; two stays per patient on average."""
    draw = numpy.random.default_rng(seed)
    risk = expit(draw.normal(-1.4, spread, rows))
    outcomes = (draw.random(rows) < risk).astype(float)
    columns = (
        draw.integers(18, 95, rows),
        draw.choice(3, rows, p=[0.5, 0.495, 0.005]),
        draw.choice(3, rows),
    )
    table = Table(
        SCHEMA,
        numpy.stack(columns, axis=1).astype(float),
        {LABEL: outcomes},
        draw.integers(0, rows // 2, rows).astype(str),
        numpy.arange(rows).astype(str),
        numpy.full(rows, "held_out"),
        {"oncology": draw.random(rows) < 0.3},
    )
    return table, risk


def ours(values: Floats) -> Predictions:
    return Predictions("ours", "probability", values)
