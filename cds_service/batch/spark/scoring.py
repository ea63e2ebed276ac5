"""On a worker: the lines of a shard, assessed by the rules of one machine, into the run's folder."""

import os
import socket
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cds_service.assessment import Assessor
from cds_service.batch.errors import BatchError
from cds_service.batch.job import Job
from cds_service.batch.records import records_of, support_of
from cds_service.batch.results import AssessedResult
from cds_service.batch.scoring import assess_records
from cds_service.batch.sorting import Sorted, sum_of, tally_of
from cds_service.batch.spark.failing import in_sentences
from cds_service.batch.spark.orders import NotSharedError, Orders, group_of
from cds_service.batch.spark.reading import settle
from cds_service.batch.spark.worked import write_worked
from cds_service.services import Offered
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.support import Support
from model.bundle import load_bundle
from model.scoring import scorer_for

if TYPE_CHECKING:
    from pyarrow import RecordBatch

DONE: Final = "shard int, worker string, loads int"
"""Columns; `loads`: how many bundles that worker process has loaded in its life."""
_Line = tuple[int, str, bytes]


def score_shards(orders: Orders, batches: "Iterable[RecordBatch]") -> "Iterator[RecordBatch]":
    """For mapInArrow: the LINES of some shards, by shard, patient and place -> DONE."""
    settle()
    return in_sentences(_score(orders, batches))


def _score(orders: Orders, batches: "Iterable[RecordBatch]") -> "Iterator[RecordBatch]":
    import pyarrow

    for shard, lines in groupby(_lines(batches), key=itemgetter(0)):
        _work(orders, shard, lines)
        worker = f"{socket.gethostname()}:{os.getpid()}"
        loads = _assessor.cache_info().misses
        types = [
            ("shard", pyarrow.int32()),
            ("worker", pyarrow.string()),
            ("loads", pyarrow.int32()),
        ]
        row = {"shard": shard, "worker": worker, "loads": loads}
        yield pyarrow.RecordBatch.from_pylist([row], pyarrow.schema(types))


def _lines(batches: "Iterable[RecordBatch]") -> Iterator[_Line]:
    for batch in batches:
        columns = (batch.column(name).to_pylist() for name in ("shard", "patient", "raw"))
        yield from zip(*columns, strict=True)


def _work(orders: Orders, shard: int, lines: Iterable[_Line]) -> None:
    job, (types, support) = _job(orders), _export(orders.run, len(orders.pieces))
    grouped = groupby(lines, key=itemgetter(1))
    by_patient = ((patient, [raw for *_, raw in of]) for patient, of in grouped)
    found = assess_records(
        records_of(by_patient, orders.arrived, types),
        orders.choice,
        orders.as_of,
        support=support,
        assessor=job.assessor,
    )
    write_worked(orders, shard, (AssessedResult(job.row(each), each) for each in found), job)


@lru_cache(maxsize=1)
def _export(run: Path, pieces: int) -> tuple[frozenset[str], Support]:
    """The types that occur and what belongs to no patient: all pieces are read before any shard is
    scored, since the lines of a patient may be in any."""
    groups = tuple(group_of(run, piece) for piece in range(pieces))
    try:
        tally = sum_of(map(tally_of, groups))
    except FileNotFoundError:
        raise NotSharedError from None
    return frozenset(tally.types), support_of(Sorted(groups, tally))


def _job(orders: Orders) -> Job:
    own = _assessor(orders.bundle, orders.bundle_digest)
    chosen = Assessor(own.bundle, own.scorer, orders.profile, orders.site_base_rate)
    service = Offered(orders.service_id, own, {orders.tenant.name: chosen})
    return Job(orders.run_id, orders.tenant, service, orders.as_of, orders.fhir_server)


@lru_cache(maxsize=1)
def _assessor(bundle: Path, digest: str) -> Assessor:
    """Once in the life of a worker process."""
    loaded = load_bundle(bundle, mapping_digest=CATALOGUE.digest)
    if loaded.digest != digest:
        raise BatchError("Spark", "a worker has another bundle.", "Give --run a new folder.")
    return Assessor(loaded, scorer_for(loaded))
