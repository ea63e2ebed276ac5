"""Raw values -> what the network takes: standardised numbers, level ids, NaN where missing.

Fitted on `train` once, kept in the bundle, never recomputed when serving. Nothing is imputed.
"""

from typing import Annotated

import msgspec
import numpy
from numpy.typing import NDArray

from model.schema import Kind, Schema

Floats = NDArray[numpy.float64]
_LIMIT = 10.0  # standard deviations; beyond it a value says no more than "extreme"
_BEYOND = 1e9  # an edge that no value reaches: bins that a column does not need
_TAIL = (0.95, 0.975, 0.9875, 0.995, 0.998)  # counts are skewed: risk lies in the last twentieth


class Standard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One numeric column: mean and standard deviation in its unit, and the inner and outer edges
    of its bins in standard deviations, ascending."""

    mean: float
    deviation: Annotated[float, msgspec.Meta(gt=0.0)]
    edges: tuple[float, ...]


class Preprocessing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`numeric` by column name."""

    numeric: dict[str, Standard]

    def apply(self, schema: Schema, values: Floats) -> NDArray[numpy.float32]:
        """(rows, columns) raw -> prepared float32. A level id outside the list becomes unknown, a
        flag that is neither 0 nor 1 missing."""
        prepared = numpy.array(values, dtype=numpy.float64)
        numeric, categorical = _places(schema, "numeric"), _places(schema, "categorical")
        binary = _places(schema, "binary")
        prepared[:, numeric] = self._standardised(schema, prepared[:, numeric], numeric)
        last = numpy.array([len(schema.columns[index].levels) for index in categorical])
        levels, flags = prepared[:, categorical], prepared[:, binary]
        known = ((levels >= 0) & (levels <= last)) | numpy.isnan(levels)
        prepared[:, categorical] = numpy.where(known, levels, last)
        prepared[:, binary] = numpy.where((flags == 0) | (flags == 1), flags, numpy.nan)
        return prepared.astype(numpy.float32)

    def _standardised(self, schema: Schema, cells: Floats, places: list[int]) -> Floats:
        standards = [self.numeric[schema.columns[index].name] for index in places]
        means = numpy.array([standard.mean for standard in standards])
        deviations = numpy.array([standard.deviation for standard in standards])
        scaled: Floats = numpy.clip((cells - means) / deviations, -_LIMIT, _LIMIT)
        return scaled

    def bin_edges(self, schema: Schema, bins: int) -> NDArray[numpy.float32]:
        """(numeric columns, parts + 1) edges in standard deviations, padded where fewer."""
        rows = [self.numeric[column.name].edges for column in schema if column.kind == "numeric"]
        parts = parts_of(bins)
        padded = numpy.full((len(rows), parts + 1), _BEYOND, dtype=numpy.float32)
        padded += numpy.arange(parts + 1, dtype=numpy.float32) * _BEYOND
        for row, edges in zip(padded, rows, strict=True):
            row[: len(edges)] = edges
        return padded


def _places(schema: Schema, kind: Kind) -> list[int]:
    """Indices of the columns of one kind."""
    return [index for index, column in enumerate(schema) if column.kind == kind]


def parts_of(bins: int) -> int:
    """How many parts a number is encoded in: one where there are no bins."""
    return bins + len(_TAIL) - 1 if bins else 1


def fit_preprocessing(schema: Schema, values: Floats, bins: int) -> Preprocessing:
    """From the rows of `train`: `bins` bins at quantiles of what was observed, the last one cut
    finer. A column of fewer distinct values has fewer."""
    return Preprocessing(
        {
            column.name: _standard(values[:, index], bins)
            for index, column in enumerate(schema)
            if column.kind == "numeric"
        }
    )


def _standard(cells: Floats, bins: int) -> Standard:
    observed = cells[~numpy.isnan(cells)]
    if not len(observed):
        return Standard(mean=0.0, deviation=1.0, edges=())
    mean, spread = float(observed.mean()), float(observed.std())
    deviation = spread if spread > 1e-9 else 1.0
    if not bins:
        return Standard(mean, deviation, edges=())
    shares = numpy.union1d(numpy.linspace(0.0, 1.0, bins + 1)[:-1], _TAIL)
    quantiles = numpy.quantile(observed, shares)
    scaled = numpy.round((quantiles - mean) / deviation, 6)
    edges = numpy.unique(scaled.astype(numpy.float32))  # as the network holds them: no empty bin
    return Standard(mean, deviation, tuple(float(each) for each in edges))
