"""Stays whose true risk is known: made by a function of the vector, so a model can be held to it.

All 105 features of the catalogue, correlated through a few hidden traits, a fifth of the cells
missing. Nothing of it resembles any real patient.
"""

from dataclasses import dataclass

import numpy

from model.calibration import expit
from model.schema import Schema
from training.cohorts.files import catalogue_schema
from training.splits import split_of
from training.tables import Floats, Table


@dataclass(frozen=True)
class Generated:
    """`risk` (rows,): the true probability of each stay's label."""

    table: Table
    risk: Floats


def generate(rows: int, seed: int) -> Generated:
    """`rows` stays of about two thirds as many patients."""
    draw = numpy.random.default_rng(seed)
    schema = catalogue_schema()
    subjects = numpy.array([f"g{each}" for each in draw.integers(rows * 2 // 3, size=rows)])
    traits = draw.normal(size=(rows, 6))
    values = _values(schema, traits, draw)
    risk = expit(_log_odds(schema, values))
    labels = (draw.random(rows) < risk).astype(float)
    table = Table(
        schema=schema,
        values=values,
        labels={"readmission_30d": labels},
        subjects=subjects,
        stays=numpy.array([f"s{each}" for each in range(rows)]),
        splits=numpy.array([split_of(each) for each in subjects]),
        extras={},
    )
    return Generated(table, risk)


def _values(schema: Schema, traits: Floats, draw: numpy.random.Generator) -> Floats:
    columns = []
    for column in schema:
        hidden = traits @ draw.normal(size=traits.shape[1]) * 0.35 + draw.normal(size=len(traits))
        if column.kind == "numeric":
            columns.append(50.0 + 12.0 * hidden)
        elif column.kind == "binary":
            columns.append((hidden > draw.uniform(0.3, 1.5)).astype(float))
        else:
            share = numpy.argsort(numpy.argsort(hidden)) / len(hidden)
            columns.append(numpy.floor(share * len(column.levels)))
    values = numpy.stack(columns, axis=1)
    values[draw.random(values.shape) < 0.2] = numpy.nan
    return values


def _log_odds(schema: Schema, values: Floats) -> Floats:
    """Ramps, a step, a bowl and an interaction; a missing input adds nothing."""
    kinds = {
        kind: [i for i, column in enumerate(schema) if column.kind == kind]
        for kind in ("numeric", "binary", "categorical")
    }
    numbers = (values[:, kinds["numeric"]] - 50.0) / 12.0
    flags, levels = values[:, kinds["binary"]], values[:, kinds["categorical"]]
    terms = [
        0.9 * numbers[:, 0].clip(-2, 2),
        0.8 * (numbers[:, 5] > 0.5),
        0.4 * numbers[:, 11].clip(-2, 2) ** 2 - 0.4,
        -0.7 * numbers[:, 20].clip(-1, 1),
        1.0 * flags[:, 3],
        0.8 * flags[:, 17] - 0.5 * flags[:, 30],
        0.6 * (levels[:, 0] == 0),
        0.7 * numbers[:, 0].clip(-2, 2) * flags[:, 40],
    ]
    summed: Floats = numpy.sum([numpy.nan_to_num(term) for term in terms], axis=0)
    return summed - 2.2
