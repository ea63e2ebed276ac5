"""What a whole export says beside its patients' records: which types it holds, what belongs to nobody."""

from collections.abc import Iterable, Mapping

from cds_service.batch.arrived import Arrived
from cds_service.batch.sorting import Sorted
from fhir_mapping.history import DataIssue, Source
from fhir_mapping.resources import decode
from fhir_mapping.support import Support


def sources_of(arrived: Arrived, occurring: Iterable[str]) -> Mapping[str, Source]:
    """`read` for each type that the source says it holds whole, or else that occurs."""
    types = occurring if arrived.types is None else arrived.types
    return {name: "partial" if name in arrived.partial else "read" for name in sorted(types)}


def support_of(read: Sorted) -> Support:
    """The resources that belong to no patient."""
    decoded = map(decode, read.shared())
    return Support(each for each in decoded if each and not isinstance(each, DataIssue))
