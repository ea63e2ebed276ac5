"""A cohort's folder: what is in it, how it is written (whole or not at all) and read."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy
import polars

from fhir_mapping.catalogue import CATALOGUE
from model.schema import Column, Schema
from training.errors import InputError
from training.tables import Table
from training.writing import write_bytes, write_whole

VECTORS = "vectors.parquet"
NOTES = "notes.parquet"
SCHEMA = "schema.json"
DONE = "DONE"
EXTRAS = ("admission_time", "prediction_time", "temporal_split", "tuning_slice", "digest")
SCORES = ("lace", "hospital")
_UTC = polars.Datetime("us", "UTC")
_KEYS: Mapping[str, Any] = {
    "subject_id": polars.String,
    "stay_id": polars.String,
    "admission_time": _UTC,
    "prediction_time": _UTC,
}
_SPLITS = ("split", "temporal_split", "tuning_slice")
NOTE_COLUMNS: Mapping[str, Any] = {
    "subject_id": polars.String,
    "stay_id": polars.String,
    "text": polars.String,
}


def catalogue_schema(names: Sequence[str] = CATALOGUE.names) -> Schema:
    """The features of the catalogue as a schema: all 105, or those named."""
    wanted = (CATALOGUE[name] for name in names)
    return Schema(tuple(Column(f.name, f.kind, f.concept, f.levels) for f in wanted))


def part_columns(schema: Schema, labels: Sequence[str]) -> dict[str, Any]:
    """Column types of one shard's rows, before the splits are known."""
    return {
        **_KEYS,
        "era": polars.String,
        **dict.fromkeys(labels, polars.Boolean),
        "digest": polars.String,
        **dict.fromkeys(SCORES, polars.Int64),
        **{each.name: _dtype(each) for each in schema},
    }


def vector_columns(schema: Schema, labels: Sequence[str]) -> list[str]:
    """The columns of vectors.parquet in order."""
    return [*_KEYS, *_SPLITS, *labels, "digest", *SCORES, *schema.names]


def load_table(folder: Path) -> Table:
    """The table of a finished cohort, all labels. Raises InputError."""
    schema = _schema(folder)
    frame = _frame(folder / VECTORS)
    missing = {*_KEYS, *_SPLITS, *schema.names} - {*frame.columns}
    if missing:
        problem = f"{len(missing)} columns are missing, {sorted(missing)[0]} among them"
        raise InputError(folder / VECTORS, problem, "Build the cohort again with this version")
    labels = [name for name, kind in frame.schema.items() if kind == polars.Boolean]
    return Table(
        schema=schema,
        values=numpy.column_stack([_values(frame[each.name], each) for each in schema]),
        labels={name: _floats(frame[name]) for name in labels},
        subjects=_text(frame["subject_id"]),
        stays=_text(frame["stay_id"]),
        splits=_text(frame["split"]),
        extras={name: _extra(frame[name]) for name in (*EXTRAS, *SCORES) if name in frame.columns},
    )


def load_notes(folder: Path) -> Mapping[str, str]:
    """Stay id -> discharge summary as written. Raises InputError."""
    _finished(folder)
    frame = _frame(folder / NOTES)
    return dict(zip(frame["stay_id"].to_list(), frame["text"].to_list(), strict=True))


def write_json(path: Path, content: object) -> None:
    """Sorted and indented, so that equal content is equal bytes."""
    text = msgspec.json.format(msgspec.json.encode(content, order="deterministic"), indent=2)
    write_bytes(path, text + b"\n")


def write_frame(path: Path, frame: polars.DataFrame) -> None:
    """Parquet whose bytes depend on the rows alone."""
    write_whole(
        path, lambda draft: frame.write_parquet(draft, compression="zstd", row_group_size=50_000)
    )


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _dtype(column: Column) -> Any:
    return polars.String if column.kind == "categorical" else polars.Float64


def _finished(folder: Path) -> None:
    if not (folder / DONE).is_file():
        raise InputError(folder, "no finished cohort is here", "Run the cohort command to its end")


def _schema(folder: Path) -> Schema:
    _finished(folder)
    try:
        return msgspec.json.decode((folder / SCHEMA).read_bytes(), type=Schema)
    except (OSError, msgspec.MsgspecError) as wrong:
        raise InputError(folder / SCHEMA, "cannot be read", "Build the cohort again") from wrong


def _frame(path: Path) -> polars.DataFrame:
    try:
        return polars.read_parquet(path)
    except (OSError, polars.exceptions.PolarsError) as wrong:
        raise InputError(path, "cannot be read", "Build the cohort again") from wrong


def _values(series: polars.Series, column: Column) -> Any:
    if column.kind != "categorical":
        return _floats(series)
    known = {level: float(index) for index, level in enumerate(column.levels)}
    other = float(len(column.levels))
    return numpy.array(
        [numpy.nan if each is None else known.get(each, other) for each in series.to_list()],
        dtype=numpy.float64,
    )


def _floats(series: polars.Series) -> Any:
    filled = series.cast(polars.Float64).fill_null(float("nan"))
    return filled.to_numpy().astype(numpy.float64)


def _text(series: polars.Series) -> Any:
    return numpy.array(series.fill_null("").to_list(), dtype=numpy.str_)


def _extra(series: polars.Series) -> Any:
    if series.dtype == polars.String:
        return _text(series)
    if series.dtype == polars.Int64:
        return _floats(series)
    return series.dt.replace_time_zone(None).to_numpy()
