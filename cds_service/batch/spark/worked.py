"""A shard between the worker that assessed it and the driver: its rows as they will be kept, and beside
them what the targets take of each result. Both are removed when every target has the shard."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from cds_service.batch import tables
from cds_service.batch.drafts import drafted
from cds_service.batch.job import Job, table_row
from cds_service.batch.results import AssessedResult
from cds_service.batch.spark.orders import ROWS, Orders
from cds_service.batch.targets.target import Takes
from model.scoring import Scorer

_RESULTS: Final = ".ndjson"
_MOMENTS: Final = ("created_at", "prediction_time")


class WorkedResult(msgspec.Struct, frozen=True):
    """A result as its worker wrote it. `contents` have contributions where a target takes them."""

    row: Mapping[str, Any]
    contents: Mapping[str, msgspec.Raw]

    def explained(self, scorer: Scorer) -> Mapping[str, Any]:
        """As in Result; a worker has done it."""
        return self.contents


_reader = msgspec.json.Decoder(WorkedResult)


@dataclass(frozen=True)
class WorkedShard:
    """A shard in the folder to which workers write."""

    number: int
    folder: Path

    @cached_property
    def results(self) -> list[WorkedResult]:
        """As in Shard."""
        file = _place(self.folder, self.number, _RESULTS)
        if not file.is_file():
            return []
        with file.open("rb") as lines:
            return [_told(_reader.decode(line)) for line in lines]

    def keep(self, file: Path) -> None:
        """As in Shard."""
        with drafted(file) as draft:
            _place(self.folder, self.number, ROWS).replace(draft)
        _place(self.folder, self.number, _RESULTS).unlink(missing_ok=True)


def write_worked(orders: Orders, shard: int, results: Iterable[AssessedResult], job: Job) -> None:
    """The rows last: they say that the shard is whole. Raises BatchError."""
    attempt, rows = uuid4().hex, []
    sent_to = _place(orders.worked, shard, _RESULTS)
    with drafted(sent_to, attempt) as draft, draft.open("wb") as sent:
        for each in results:
            rows.append(table_row(each.row, each.assessed.assessment))
            sent.writelines(_sent(each, orders.takes, job.assessor.scorer))
    with drafted(_place(orders.worked, shard, ROWS), attempt) as draft:
        tables.write_shard(rows, draft)


def _sent(result: AssessedResult, takes: Takes, scorer: Scorer) -> Iterator[bytes]:
    if takes is not Takes.ROWS:
        explained = takes is Takes.CONTRIBUTIONS
        contents = result.explained(scorer) if explained else result.contents
        yield msgspec.json.encode({"row": result.row, "contents": contents}) + b"\n"


def _told(result: WorkedResult) -> WorkedResult:
    """JSON has no moments: they come back as text."""
    moments = {name: result.row[name] for name in _MOMENTS}
    read = {name: text and datetime.fromisoformat(text) for name, text in moments.items()}
    return WorkedResult({**result.row, **read}, result.contents)


def _place(folder: Path, shard: int, suffix: str) -> Path:
    return folder / f"{shard:04d}{suffix}"
