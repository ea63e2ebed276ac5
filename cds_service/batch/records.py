"""From sorted lines to the records that are assessed, whoever sorted them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from cds_service.batch.arrived import Arrived
from cds_service.batch.scoring import Record
from cds_service.batch.sorting import Sorted
from fhir_mapping.history import DataIssue, Source
from fhir_mapping.resources import decode
from fhir_mapping.support import Support


def records_of(
    by_patient: Iterable[tuple[str, Sequence[bytes]]], arrived: Arrived, occurring: Iterable[str]
) -> Iterator[Record]:
    """Of those patients whose stays are asked for, in their order. `occurring`: the types of which the
    whole export has a line."""
    sources = _sources_of(arrived, occurring)
    for patient, raws in by_patient:
        if arrived.patients is None or patient in arrived.patients:
            doubted = arrived.doubted.get(patient, frozenset())
            its = {name: "partial" if name in doubted else read for name, read in sources.items()}
            yield Record(patient, raws, its)


def support_of(read: Sorted) -> Support:
    """The resources that belong to no patient."""
    decoded = map(decode, read.shared())
    return Support(each for each in decoded if each and not isinstance(each, DataIssue))


def _sources_of(arrived: Arrived, occurring: Iterable[str]) -> Mapping[str, Source]:
    """`read` for each type that the source says it holds whole, or else that occurs."""
    types = occurring if arrived.types is None else arrived.types
    return {name: "partial" if name in arrived.partial else "read" for name in sorted(types)}
