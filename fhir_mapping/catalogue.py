"""The table of the 105 features, read once. What each row means is done elsewhere.

`catalogue.csv` is THE table: row order is vector order. Everything else derives from it:
prefetch templates, reference pages, card labels, the training extraction. Its digest, over the
table and every code list, ties a bundle to the mapping that it was made with.
"""

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any, Literal, get_args

from fhir_mapping.codelists import FOLDER
from fhir_mapping.errors import CatalogueError

Kind = Literal["numeric", "binary", "categorical"]
CoverageGroup = Literal["history", "diagnoses", "vitals", "labs", "medication", "this_stay"]
COVERAGE_GROUPS: tuple[CoverageGroup, ...] = get_args(CoverageGroup)
_TABLE = files("fhir_mapping") / "catalogue.csv"


@dataclass(frozen=True)
class Feature:
    """One row: what it is called, what it reads, over which window, how it is reduced.

    `low`/`high` are the valid range in `unit` (`positive`: zero itself is an artefact);
    `outlier_low`/`outlier_high` the range outside which a value is discarded, not clipped.
    `sources` are the FHIR resource types that a zero depends on (METHOD.md, Absence).
    """

    name: str
    label: str
    concept: str
    group: str
    coverage_group: CoverageGroup
    kind: Kind
    levels: tuple[str, ...]
    unit: str
    low: float | None
    high: float | None
    positive: bool
    outlier_low: float | None
    outlier_high: float | None
    sources: tuple[str, ...]
    reads: tuple[str, ...]
    window: str
    reduce: str
    critical_outcome: Literal["yes", "no", "ed_departure"]
    mimic_source: str
    definition: str

    @property
    def derived(self) -> bool:
        """True for a feature that is a function of other features."""
        return self.sources == ("derived",)

    @cached_property
    def none_found(self) -> str:
        """Why a zero is one: all was read, and nothing was there."""
        return f"none found; {' and '.join(self.sources)} read"


class Catalogue:
    """The 105 features in vector order: iterate, look up by name, `names`, `digest`."""

    def __init__(self, table: str, lists: tuple[tuple[str, bytes], ...] = ()) -> None:
        self._features = tuple(_feature(row, line) for line, row in _lines(table))
        self._by_name = {feature.name: feature for feature in self._features}
        if len(self._by_name) != len(self._features):
            raise CatalogueError("catalogue.csv, column name: a feature name occurs twice")
        self._content = (("catalogue.csv", table.encode()), *lists)

    def __iter__(self) -> Iterator[Feature]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, name: str) -> Feature:
        return self._by_name[name]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The 105 names in vector order."""
        return tuple(self._by_name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the table and the code lists, by name and content."""
        summed = hashlib.sha256()
        for name, content in self._content:
            summed.update(f"{name}\n{len(content)}\n".encode())
            summed.update(content)
        return summed.hexdigest()


def load_catalogue() -> Catalogue:
    """Read the shipped table. Raises CatalogueError naming row and column."""
    lists = sorted((path.name, path.read_bytes()) for path in FOLDER.iterdir() if path.is_file())
    return Catalogue(_TABLE.read_text("utf-8"), tuple(lists))


def _lines(table: str) -> Iterator[tuple[int, dict[str, str]]]:
    yield from enumerate(csv.DictReader(table.splitlines()), start=2)


def _feature(row: dict[str, str], line: int) -> Feature:
    try:
        return Feature(
            name=row["name"],
            label=row["label"],
            concept=row["concept"],
            group=row["group"],
            coverage_group=_one_of(row, "coverage_group", COVERAGE_GROUPS),
            kind=_one_of(row, "kind", get_args(Kind)),
            levels=tuple(filter(None, row["levels"].split("|"))),
            unit=row["unit"],
            low=_number(row["low"].lstrip(">")),
            high=_number(row["high"]),
            positive=row["low"].startswith(">"),
            outlier_low=_number(row["outlier_low"]),
            outlier_high=_number(row["outlier_high"]),
            sources=tuple(row["sources"].split()),
            reads=tuple(row["reads"].split()),
            window=row["window"],
            reduce=row["reduce"],
            critical_outcome=_one_of(row, "critical_outcome", ("yes", "no", "ed_departure")),
            mimic_source=row["mimic_source"],
            definition=row["definition"],
        )
    except (KeyError, ValueError, AttributeError) as odd:
        raise CatalogueError(f"catalogue.csv, line {line}: {odd}") from odd


def _one_of(row: dict[str, str], column: str, allowed: tuple[Any, ...]) -> Any:
    for choice in allowed:
        if row[column] == choice:
            return choice
    raise ValueError(f"column {column} must be one of {', '.join(allowed)}")


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


CATALOGUE = load_catalogue()
