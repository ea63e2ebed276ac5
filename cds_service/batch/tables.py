"""Results as tables: one Parquet file for each shard, then whole ones for people. Schema given, never guessed."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import polars
from polars.exceptions import PolarsError

from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.job import FEATURES, RESULTS
from cds_service.cells import harmless
from fhir_mapping.catalogue import CATALOGUE

_TIME: Final = polars.Datetime("us", "UTC")
_TYPES: Final[Mapping[str, Any]] = {
    "probability": polars.Float64,
    "interval_low": polars.Float64,
    "interval_high": polars.Float64,
    "alerted": polars.Boolean,
    "threshold": polars.Float64,
    "lace_points": polars.Int64,
    "hospital_points": polars.Int64,
    "known_inputs": polars.Int64,
    "prediction_time": _TIME,
    "created_at": _TIME,
}
_ROWS_AT_ONCE: Final = 10_000


def schema() -> dict[str, Any]:
    """Of a table of results with features."""
    kinds = {
        name: polars.String if CATALOGUE[name.removeprefix("feature_")].levels else polars.Float64
        for name in FEATURES
    }
    return {name: _TYPES.get(name, polars.String) for name in RESULTS} | kinds


def write_shard(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Whole or not at all. Raises BatchError."""
    with without_values(file.name):
        frame = polars.DataFrame(list(rows), schema())
    with drafted(file) as draft:
        frame.write_parquet(draft)


def uuids_of(shard: Path) -> list[str]:
    """Under which ids the results of a shard are stored."""
    return polars.read_parquet(shard, columns=["uuid"])["uuid"].to_list()


def write_parquet(shards: Sequence[Path], file: Path) -> None:
    """All shards as one table. Raises BatchError."""
    rows = polars.scan_parquet(list(shards), schema=schema())
    with without_values(file.name):
        rows.select(polars.len()).collect()  # else a shard that is damaged looked like a full disk
    with drafted(file) as draft:
        rows.sink_parquet(draft)


def write_csv(shards: Sequence[Path], file: Path) -> None:
    """The results without the features, in UTF-8, RFC 4180. Raises BatchError."""
    with (
        drafted(file) as draft,
        without_values(file.name),
        draft.open("w", newline="", encoding="utf-8") as written,
    ):
        writer = csv.writer(written, lineterminator="\r\n")
        writer.writerow(RESULTS)
        for row in _results(shards):
            writer.writerow(map(_cell, row))


@contextmanager
def without_values(name: str) -> Iterator[None]:
    """Polars quotes what it cannot take; that may be a patient's. Raises BatchError."""
    try:
        yield
    except (PolarsError, TypeError, OverflowError) as wrong:
        raise BatchError(
            name,
            f"the results make no table ({type(wrong).__name__}).",
            "Give --run a new folder; if that does not help, report it with the command.",
        ) from None


def _results(shards: Sequence[Path]) -> Iterator[tuple[Any, ...]]:
    for shard in shards:
        frame = polars.read_parquet(shard, columns=list(RESULTS))
        yield from frame.select(RESULTS).iter_rows(buffer_size=_ROWS_AT_ONCE)


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        return harmless(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
