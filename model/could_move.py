"""How far a missing input could move the probability, were it known: over the values that the
training stays had. One input at a time, all others as they are."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy

from model.schema import Column
from model.trained import Floats, Histogram, TrainedModel

_LOW, _HIGH = 0.05, 0.95


@dataclass(frozen=True)
class Move:
    """The lowest and the highest probability over the plausible values of the column `name`."""

    name: str
    lowest: float
    highest: float


def plausible(column: Column, seen: Histogram) -> tuple[float, ...]:
    """As the feature table holds them: of a number the edges within the middle 90 % of what was
    observed, else each level that was; nothing where the bundle states no shape."""
    if column.kind == "numeric":
        below = list(accumulate(seen.shares))
        return tuple(
            edge
            for edge, until, after in zip(seen.edges, below, below[1:], strict=False)
            if until <= _HIGH and after >= _LOW
        )
    known = seen.shares[: len(column.levels) or 2]
    return tuple(float(level) for level, share in enumerate(known) if share > 0.0)


def moves(model: TrainedModel, row: Floats, names: Collection[str]) -> list[Move]:
    """Of the row (columns,) in schema order: each of `names` that has plausible values, the widest
    first. One batch through the network."""
    tried = [each for each in _tried(model, names) if each[1]]
    if not tried:
        return []
    found = model.calibrator.probability(model.logits(_filled(row, tried)))
    parts = numpy.split(found, numpy.cumsum([len(values) for _, values in tried])[:-1])
    moved = [
        Move(model.schema.names[index], float(part.min()), float(part.max()))
        for (index, _), part in zip(tried, parts, strict=True)
    ]
    return sorted(moved, key=lambda each: each.lowest - each.highest)


def _tried(model: TrainedModel, names: Collection[str]) -> Iterator[tuple[int, tuple[float, ...]]]:
    for index, column in enumerate(model.schema):
        if column.name in names:
            yield index, plausible(column, model.histograms[column.name])


def _filled(row: Floats, tried: Sequence[tuple[int, tuple[float, ...]]]) -> Floats:
    """A row for each value of each column that is tried."""
    rows = []
    for index, values in tried:
        for value in values:
            filled = row.copy()
            filled[index] = value
            rows.append(filled)
    return numpy.stack(rows)
