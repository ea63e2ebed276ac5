"""On a worker: the lines of a piece, each patient's on their way to the patient's shard."""

import gc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from cds_service.batch.lines import lines_of
from cds_service.batch.sorting import sorter_of
from cds_service.batch.spark.failing import in_sentences
from cds_service.batch.spark.orders import NotSharedError, Orders, group_of
from fhir_mapping.shards import shard_of

if TYPE_CHECKING:
    from pyarrow import RecordBatch

LINES: Final = "shard int, place long, patient string, raw binary"
"""Columns; `place` is the order of the input."""
_BATCH_BYTES: Final = 8 * 2**20
_PLACES: Final = 2**40
"""In one piece, at most."""


@dataclass
class _Outgoing:
    """Lines that are sent together."""

    orders: Orders
    place: int
    size: int = 0
    columns: dict[str, list[Any]] = field(default_factory=dict)

    def keep(self, patient: str, raw: bytes) -> None:
        self.place += 1
        shard = shard_of(patient, self.orders.shards)
        if shard in self.orders.lacking:
            self.size += len(raw)
            row = {"shard": shard, "place": self.place, "patient": patient, "raw": raw}
            for name, value in row.items():
                self.columns.setdefault(name, []).append(value)

    def batch(self) -> "Iterator[RecordBatch]":
        """What there is, if anything."""
        import pyarrow

        if self.columns:
            types = [pyarrow.int32(), pyarrow.int64(), pyarrow.string(), pyarrow.binary()]
            schema = pyarrow.schema(list(zip(self.columns, types, strict=True)))
            yield pyarrow.RecordBatch.from_pydict(self.columns, schema)
        self.size, self.columns = 0, {}


def read_pieces(orders: Orders, batches: "Iterable[RecordBatch]") -> "Iterator[RecordBatch]":
    """For mapInArrow: numbers of pieces (`id`) -> LINES. What became of the lines is written beside,
    once, however often a piece is read."""
    settle()
    numbers = (number for batch in batches for number in batch.column("id").to_pylist())
    return in_sentences(each for number in numbers for each in _read(orders, number))


@cache
def settle() -> None:
    """Once in a worker process: Spark collects its garbage after each task, and would look through all
    that was imported again, which takes longer than a small task."""
    gc.freeze()


def _read(orders: Orders, number: int) -> "Iterator[RecordBatch]":
    outgoing = _Outgoing(orders, number * _PLACES)
    if not orders.bundle.is_dir():
        raise NotSharedError
    attempt = uuid4().hex
    with sorter_of(group_of(orders.run, number), orders.shards, outgoing.keep, attempt) as sorter:
        for part in orders.pieces[number]:
            if not part.file.is_file():
                raise NotSharedError
            for line in lines_of(part.file, part.begin, part.end):
                sorter.add(part.file.name, line)
                if outgoing.size >= _BATCH_BYTES:
                    yield from outgoing.batch()
        yield from outgoing.batch()
