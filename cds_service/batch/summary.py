"""What a run came to, from its own results: counts, coverage, warnings, drift. No patient is named. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import polars

from cds_service.batch.sorting import Tally
from cds_service.batch.tables import without_values
from cds_service.tasks import inputs_of
from model.bundle import Bundle
from model.drift import drift

LEAST_STAYS: Final = 100
"""With fewer scored stays bins are empty by chance, and drift is not told."""
_MODULUS: Final = 2**64


def summary(shards: Sequence[Path], tally: Tally, bundle: Bundle) -> dict[str, Any]:
    """Of the lines that were read, and of the stays; memory: one column of all stays at a time.
    Raises BatchError."""
    with without_values("summary.json"):
        return _of_tables(shards, tally, bundle)


def _of_tables(shards: Sequence[Path], tally: Tally, bundle: Bundle) -> dict[str, Any]:
    table = polars.scan_parquet(list(shards))
    scored = table.filter(polars.col("outcome") == "scored")
    return {
        "lines": _lines(tally),
        "patients": _one(table.select(polars.col("patient_id").n_unique())),
        "stays": _one(table.select(polars.len())),
        "scored": _one(scored.select(polars.len())),
        "not_scored": _reasons(table),
        "known_inputs": _spread(scored, "known_inputs") | {"of": len(inputs_of(bundle.manifest))},
        "probability": _spread(scored, "probability"),
        "warned": _one(scored.select(polars.col("alerted").sum())),
        "drift": _drift(scored, bundle),
        "checksum": _checksum(shards),
    }


def _lines(tally: Tally) -> dict[str, Any]:
    return {
        "read": tally.lines,
        "kept": tally.kept,
        "of types that nothing reads": tally.unused,
        "blank": tally.blank,
        "put aside": tally.aside,
        "checksum": f"{tally.checksum:016x}",
    }


def _one(asked: polars.LazyFrame) -> Any:
    return asked.collect().item()


def _reasons(table: polars.LazyFrame) -> Mapping[str, int]:
    reasons = table.filter(polars.col("outcome") != "scored").group_by("reason").len()
    return dict(sorted(reasons.collect().iter_rows()))


def _spread(scored: polars.LazyFrame, name: str) -> dict[str, Any]:
    """Mean, and the tenth, fiftieth and ninetieth of a hundred."""
    column = polars.col(name)
    asked = {"mean": column.mean()} | {
        f"p{share}": column.quantile(share / 100, "nearest") for share in (10, 50, 90)
    }
    found = scored.select(**asked).collect().row(0, named=True)
    return {key: value if value is None else round(value, 4) for key, value in found.items()}


def _drift(scored: polars.LazyFrame, bundle: Bundle) -> dict[str, float] | None:
    """None of too few stays, and of a bundle that has no histograms."""
    stays: int = _one(scored.select(polars.len()))
    if bundle.trained is None or stays < LEAST_STAYS:
        return None
    names = bundle.trained.schema.names
    columns = scored.select(polars.col(f"feature_{name}").alias(name) for name in names).collect()
    return drift(bundle.trained, {name: columns[name].to_list() for name in names})


def _checksum(shards: Sequence[Path]) -> str:
    """Over what was found of each stay, whatever the order and the run."""
    total = 0
    for shard in shards:
        uuids = polars.read_parquet(shard, columns=["uuid", "probability"])
        for row in uuids.iter_rows():
            total += int.from_bytes(sha256(repr(row).encode()).digest()[:8])
    return f"{total % _MODULUS:016x}"
