"""How far the inputs of some stays are from those of the training stays: population stability index.

Of each input the sum, over its bins, of (share here - share there) * ln(share here / share there);
what is missing is a bin of its own. Below 0.1 little, above 0.25 much: a custom of credit scoring
(Siddiqi 2006), no test. The bundle rounds its shares and empties rare levels: small indices say nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy

from model.schema import Column
from model.trained import Floats, Histogram, TrainedModel, Value

MUCH: Final = 0.25
_LEAST_SHARE: Final = 1e-3
"""In place of an empty bin, which has no logarithm: the bundle's own precision."""


def drift(model: TrainedModel, values: Mapping[str, Sequence[Value]]) -> dict[str, float]:
    """The index of each input by name, largest first. `values`: of each column those of all stays."""
    found = {
        column.name: _index(column, model.histograms[column.name], values[column.name])
        for column in model.schema
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _index(column: Column, seen: Histogram, values: Sequence[Value]) -> float:
    here = numpy.maximum(_shares(column, seen, values), _LEAST_SHARE)
    there = numpy.maximum([seen.missing, *_whole(seen)], _LEAST_SHARE)
    return round(float(((here - there) * numpy.log(here / there)).sum()), 4)


def _whole(seen: Histogram) -> Floats:
    """Shares of all stays, not of the observed; one bin where the bundle states no shape."""
    shape = numpy.array(seen.shares or (1.0,))
    return shape * (1.0 - seen.missing)


def _shares(column: Column, seen: Histogram, values: Sequence[Value]) -> Floats:
    cells = numpy.array([column.encode(value) for value in values])
    observed = cells[~numpy.isnan(cells)]
    bins = len(seen.shares) or 1
    if not seen.shares:
        found = numpy.zeros(len(observed), int)
    elif column.kind == "numeric":
        found = numpy.searchsorted(seen.edges, observed, side="right")
    else:
        found = numpy.minimum(observed.astype(int), bins - 1)
    counts = numpy.bincount(found, minlength=bins)
    shares: Floats = numpy.array([len(cells) - len(observed), *counts]) / len(cells)
    return shares
