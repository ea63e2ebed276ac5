"""The tables cut into shards of patients as Parquet, by DuckDB, and read back patient by patient.

Nothing here knows what a column means. labevents (158 million rows in v3) streams through DuckDB
within the memory limit; a table is written whole, under a temporary name, or not at all. DuckDB's
own messages quote rows and are therefore never passed on.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import duckdb

from training.errors import InputError, RunError, SettingError
from training.readers.mimic_layout import SPECS, Source, TableSpec
from training.subjects import Progress

Row = Mapping[str, str | None]
_BATCH = 4096
_KEY = "key.json"
_DAMAGED = "Download it again; compare its checksum with SHA256SUMS.txt"


def write_shards(
    sources: Sequence[Source],
    folder: Path,
    *,
    shards: int,
    key: str,
    memory: str,
    wanted: Mapping[str, str],
    progress: Progress,
) -> None:
    """Each source as `folder/<table>/shard=<n>/*.parquet`; what is there under the same key stays.

    `wanted` by table label: an SQL condition on the rows to keep. A row's shard is its subject_id
    modulo `shards`. Raises InputError, SettingError, and RunError where memory or disk is lacking.
    """
    _claim(folder, f"{key} {shards}")
    for done, source in enumerate(sources):
        progress("tables", done, len(sources))
        target = folder / source.spec.label
        if not target.is_dir():
            condition = wanted.get(source.spec.label, "TRUE")
            _write(source, target, condition, shards=shards, memory=memory)
    progress("tables", len(sources), len(sources))


def read_shard(
    specs: Sequence[TableSpec], folder: Path, shard: int, *, memory: str
) -> Iterator[tuple[str, Mapping[str, list[Row]]]]:
    """(subject_id, rows by table label) of each patient of a shard, in order of the ids.

    The first of `specs` says who the patients are; rows of others are passed over. Rows come in
    the order of all their columns, so that nothing depends on the files. Raises RunError.
    """
    try:
        with _connected(folder, memory) as connection:
            first, *others = (_Feed(connection, spec, folder, shard) for spec in specs)
            for subject, rows in first:
                found = {feed.label: feed.of(subject) for feed in others}
                yield str(subject), {first.label: rows} | found
    except duckdb.Error:  # its own text may quote rows
        remedy = "Free memory and disk, or delete the folder to cut the tables anew; then run again"
        raise RunError(folder, f"shard {shard} cannot be read", remedy) from None


class _Feed:
    """The rows of one table, by ascending subject: asked for in that order, each once."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, spec: TableSpec, folder: Path, shard: int
    ) -> None:
        self.label = spec.label
        rows = _rows(connection, spec, folder / spec.label / f"shard={shard}")
        self._groups = groupby(rows, key=itemgetter(0))
        self._held: tuple[int, list[Row]] | None = None

    def __iter__(self) -> Iterator[tuple[int, list[Row]]]:
        for subject, group in self._groups:
            yield subject, [row for _, row in group]

    def of(self, subject: int) -> list[Row]:
        """The rows of a subject; those of smaller ids are behind us."""
        while self._held is None or self._held[0] < subject:
            following = next(iter(self), None)
            if following is None:
                return []
            self._held = following
        return self._held[1] if self._held[0] == subject else []


def _rows(
    connection: duckdb.DuckDBPyConnection, spec: TableSpec, folder: Path
) -> Iterator[tuple[int, Row]]:
    if not folder.is_dir():  # no patient of this shard has a row
        return
    order = ", ".join(f'"{name}"' for name in spec.columns)
    found = connection.cursor().execute(
        f"SELECT CAST(subject_id AS BIGINT), {order} FROM read_parquet($1)"  # noqa: S608 - our own names
        f" ORDER BY 1, {order}",
        [str(folder / "*.parquet")],
    )
    while batch := found.fetchmany(_BATCH):
        for subject, *values in batch:
            yield subject, dict(zip(spec.columns, values, strict=True))


def _claim(folder: Path, key: str) -> None:
    """Make the folder this key's own: what other data or another cut left is removed.

    Only what this module writes is ever removed. Raises RunError where there is more.
    """
    note = folder / _KEY
    if note.is_file() and json.loads(note.read_text("utf-8")) == key:
        return
    ours = {_KEY, f"{_KEY}.part", "spill"} | {
        f"{spec.label}{suffix}" for spec in SPECS for suffix in ("", ".part")
    }
    held = sorted(folder.iterdir()) if folder.is_dir() else []
    if any(each.name not in ours for each in held):
        raise RunError(folder, "holds files that are not of this step", "Choose another folder")
    note.unlink(missing_ok=True)  # first, so that no key speaks of what is half removed
    for each in held:
        shutil.rmtree(each, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{_KEY}.part"
    partial.write_text(json.dumps(key), "utf-8")
    partial.rename(note)


def _write(source: Source, target: Path, condition: str, *, shards: int, memory: str) -> None:
    partial = target.with_name(f"{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with _connected(target.parent, memory) as connection:
            step = functools.partial(_copy, connection, source, condition, partial, shards)
            kept = _translated(source, step)
        if not kept:
            what = "no rows that are wanted" if condition != "TRUE" else "no rows"
            raise InputError(source.path, f"table {source.spec.label} has {what}", _DAMAGED)
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    condition: str,
    target: Path,
    shards: int,
) -> int:
    """Rows written. All columns are text: what a value means is decided by who reads it."""
    columns = ", ".join(f'"{name}"' for name in source.spec.columns)
    types = json.dumps(dict.fromkeys(source.header, "VARCHAR"))
    place = str(target).replace("'", "''")
    (kept,) = connection.execute(
        f"COPY (SELECT {columns}, CAST(subject_id AS BIGINT) % {int(shards)} AS shard"  # noqa: S608
        f" FROM read_csv($1, auto_detect=false, header=true, columns={types}, delim=',',"
        f""" quote='"', escape='"') WHERE {condition})"""
        f" TO '{place}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (shard))",
        [str(source.path)],
    ).fetchone() or (0,)
    return int(kept)


def _translated(source: Source, step: Callable[[], int]) -> int:
    try:
        return step()
    except (duckdb.OutOfMemoryException, MemoryError):
        raise RunError(
            source.spec.label,
            "the memory limit is too small",
            "Raise it, or free disk for spilling",
        ) from None
    except duckdb.Error as refused:
        if "No space left" in str(refused):
            raise RunError(source.spec.label, "the disk is full", "Free some space") from None
        problem = "truncated, damaged or not the table that it is named after"
        raise InputError(source.path, problem, _DAMAGED) from None


def _connected(folder: Path, memory: str) -> duckdb.DuckDBPyConnection:
    """A connection that keeps to the memory limit and spills beside the work."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": "false",
    }
    try:
        return duckdb.connect(config=settings)
    except duckdb.Error:
        raise SettingError("memory", "not an amount of memory", "Write it as 4GB") from None
