"""What a feature table's columns are: the one thing that the network must know of its input.

The 105 features of the catalogue are one schema, a benchmark's own columns another.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

_Words = Annotated[str, msgspec.Meta(min_length=1)]
Kind = Literal["numeric", "binary", "categorical"]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input. Columns of one `concept` say one thing: they are masked and explained together."""

    name: _Words
    kind: Kind
    concept: _Words
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.kind == "categorical") != bool(self.levels):
            raise ValueError("levels belong to categorical columns, and those need some")
        if len({*self.levels}) != len(self.levels):
            raise ValueError("a level is listed twice")

    def encode(self, value: float | str | None) -> float:
        """A value as the table holds it: a level becomes its index, missing becomes NaN."""
        if value is None:
            return float("nan")
        if self.kind != "categorical":
            return float(value)
        return float(self.levels.index(str(value)) if value in self.levels else len(self.levels))


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Columns in vector order. A category is its level's index; the index after the last level
    is the reserved unknown id. NaN is missing in every kind."""

    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if len({*self.names}) != len(self.columns) or not self.columns:
            raise ValueError("a schema needs columns, and each name once")

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in vector order."""
        return tuple(column.name for column in self.columns)

    @property
    def concepts(self) -> tuple[str, ...]:
        """Concepts in order of their first column."""
        return tuple(dict.fromkeys(column.concept for column in self.columns))

    def without(self, names: frozenset[str]) -> tuple[int, ...]:
        """Indices of the columns whose name is not in `names`."""
        return tuple(i for i, name in enumerate(self.names) if name not in names)
