"""Who belongs to which subgroup, and which cells must be hidden so that none can be computed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy
from numpy.typing import NDArray

from model.schema import Column
from training.appraisal.findings import Hiding
from training.tables import Flags, Floats, Strings, Table

MISSING = "missing"
_LARGE = 100  # of each class: the AUROC then has over 10,000 steps, more than four decimals tell
AGE_LIMITS = (18, 45, 65, 75, 85)
# The catalogue's names first, then those of diabetes130.
AXES: Mapping[str, tuple[str, ...]] = {
    "sex": ("gender", "sex"),
    "age band": ("age",),
    "race and ethnicity": ("ethnicity", "race"),
    "payer": ("insurance", "payer", "payer_code"),
}


@dataclass(frozen=True)
class Floor:
    """A cell below any of these is hidden: stays, patients, positives, negatives."""

    stays: int = 50
    patients: int = 20
    outcomes: int = 20

    def met(self, rows: Flags, subjects: Strings, outcomes: Floats) -> bool:
        """Whether the rows of a mask are enough."""
        positives = int(outcomes[rows].sum())
        return (
            int(rows.sum()) >= self.stays
            and min(positives, int(rows.sum()) - positives) >= self.outcomes
            and len(numpy.unique(subjects[rows])) >= self.patients
        )


@dataclass(frozen=True)
class Axis:
    """`levels` (rows,): which level of the axis each row is in."""

    name: str
    levels: Strings

    def cells(self) -> dict[str, Flags]:
        """Each level's rows, levels in order."""
        return {str(level): self.levels == level for level in numpy.unique(self.levels)}


def axes_of(table: Table, extra: Sequence[str] = ()) -> tuple[Axis, ...]:
    """Sex, age band, race and ethnicity and payer as far as the table has them, then `extra`
    columns by their own name."""
    wanted = {**AXES, **{name: (name,) for name in extra}}
    found = ((name, _levels(table, columns)) for name, columns in wanted.items())
    return tuple(Axis(name, levels) for name, levels in found if levels is not None)


def hidden_cells(
    axis: Axis, subjects: Strings, outcomes: Floats, *, floor: Floor
) -> Mapping[str, Hiding]:
    """What to hide of each level. With the total known, one hidden cell is the rest: so the
    smallest others are kept back too until there are two and together they meet the floor.

    A kept-back cell hides counts and whatever adds up over cells; if it is small as well, its
    ranking measures could betray its counts, and it hides all.
    """
    cells = axis.cells()
    small = {name for name, rows in cells.items() if not floor.met(rows, subjects, outcomes)}
    shown = sorted(cells.keys() - small, key=lambda name: (int(cells[name].sum()), name))
    kept: set[str] = set()
    while small and shown and not _safe(small | kept, cells, subjects, outcomes, floor=floor):
        kept.add(shown.pop(0))
    large = {name for name in kept if _large(outcomes[cells[name]])}
    return {
        name: "counts" if name in large else "all" if name in small | kept else "nothing"
        for name in cells
    }


def hidden_counts(counts: Sequence[int], least: int) -> tuple[int | None, ...]:
    """The same for a row of counts with a known sum: small ones become None, empty ones stay 0."""
    hidden = {i for i, count in enumerate(counts) if 0 < count < least}
    shown = sorted((count, i) for i, count in enumerate(counts) if count >= least)
    while hidden and shown and sum(counts[i] for i in hidden) < least:
        hidden.add(shown.pop(0)[1])
    return tuple(None if i in hidden else count for i, count in enumerate(counts))


def _large(outcomes: Floats) -> bool:
    positives = int(outcomes.sum())
    return min(positives, len(outcomes) - positives) >= _LARGE


def _safe(
    hidden: set[str],
    cells: Mapping[str, Flags],
    subjects: Strings,
    outcomes: Floats,
    *,
    floor: Floor,
) -> bool:
    together = numpy.logical_or.reduce([cells[name] for name in hidden])
    return floor.met(together, subjects, outcomes)  # a small one alone never does


def _levels(table: Table, columns: Sequence[str]) -> Strings | None:
    for name in columns:
        if name in table.schema.names:
            column = table.schema.columns[table.schema.names.index(name)]
            return _named(column, table.column(name))
        if name in table.extras:
            return _words(name, table.extras[name])
    return None


def _named(column: Column, values: Floats) -> Strings:
    if column.kind == "categorical":
        names = numpy.array([*column.levels, "unknown", MISSING])
        known = numpy.where(numpy.isnan(values), len(column.levels) + 1, values)
        return numpy.asarray(names[known.astype(int)])
    return _words(column.name, values)


def _words(name: str, values: NDArray[Any]) -> Strings:
    if name == "age" and values.dtype.kind in "fiu":
        return _age_bands(values.astype(float))
    if values.dtype.kind in "b":
        return numpy.where(values, "yes", "no")
    if values.dtype.kind == "f":
        whole = [MISSING if numpy.isnan(each) else f"{each:g}" for each in values]
        return numpy.array(whole, dtype=str)
    return numpy.array([str(each) if each not in (None, "") else MISSING for each in values])


def _age_bands(ages: Floats) -> Strings:
    upper = [f"{low}-{high - 1}" for low, high in pairwise(AGE_LIMITS)]
    names = numpy.array([f"under {AGE_LIMITS[0]}", *upper, f"{AGE_LIMITS[-1]} and over", MISSING])
    band = numpy.digitize(ages, AGE_LIMITS)  # NaN sorts above every limit
    return numpy.asarray(names[numpy.where(numpy.isnan(ages), len(names) - 1, band)])
