"""A feature table in memory: what every stage, baseline and metric reads. Any schema."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy
from numpy.typing import NDArray

from model.schema import Schema
from training.errors import SettingError

Floats = NDArray[numpy.float64]
Strings = NDArray[numpy.str_]
Flags = NDArray[numpy.bool_]
SPLITS = ("train", "tuning", "held_out")


@dataclass(frozen=True)
class Table:
    """`values` (rows, columns): raw numbers in the catalogue's units, binaries 0/1, categories as
    level index (the index after the last level: unknown), NaN where missing.

    `labels` by name: 0, 1, or NaN where a stay has no such label. `subjects`, `stays`, `splits`:
    (rows,). `extras` are columns beside the features (scores, subgroup columns), any dtype.
    """

    schema: Schema
    values: Floats
    labels: Mapping[str, Floats]
    subjects: Strings
    stays: Strings
    splits: Strings
    extras: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.values)

    def rows(self, chosen: NDArray[Any]) -> "Table":
        """The rows that a mask or an index array names."""
        return Table(
            self.schema,
            self.values[chosen],
            {name: label[chosen] for name, label in self.labels.items()},
            self.subjects[chosen],
            self.stays[chosen],
            self.splits[chosen],
            {name: column[chosen] for name, column in self.extras.items()},
        )

    def split(self, name: str) -> "Table":
        """The rows of one split."""
        return self.rows(self.splits == name)

    def labelled(self, label: str) -> "Table":
        """The rows that have this label."""
        return self.rows(~numpy.isnan(self.labels[label]))

    def column(self, name: str) -> Floats:
        """One feature, (rows,)."""
        return self.values[:, self.schema.names.index(name)]

    def without(self, names: frozenset[str]) -> "Table":
        """Without these features, for a model that is not to see them; subgroups still are told
        apart by them, so they go into `extras`. Raises SettingError."""
        unknown = sorted(names - {*self.schema.names})
        if unknown:
            remedy = "Correct the list, or leave it out"
            raise SettingError("cohort.exclude", f"no features: {', '.join(unknown)}", remedy)
        kept = self.schema.without(names)
        return replace(
            self,
            schema=Schema(tuple(self.schema.columns[index] for index in kept)),
            values=self.values[:, kept],
            extras={**self.extras, **{name: self._stated(name) for name in names}},
        )

    def _stated(self, name: str) -> NDArray[Any]:
        """A feature in words where it is a category, "" where missing."""
        column, cells = self.schema.columns[self.schema.names.index(name)], self.column(name)
        if column.kind != "categorical":
            return cells
        names = numpy.array([*column.levels, "unknown", ""])
        known = numpy.where(numpy.isnan(cells), len(column.levels) + 1, cells)
        return numpy.asarray(names[known.astype(int)])
