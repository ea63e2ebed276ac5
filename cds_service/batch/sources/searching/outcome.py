"""What a search came to: which types are whole, of whom they are not, and by which clock. Pure.

A type that the server refuses for everybody is not among `types`: not read, which is not the same as
empty. Refused for some, or cut short for them, it is `doubted` of those. What records refer to has no
patient: refused for some of it, it is `partial`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.waiting import moment
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.searching.state import Found, Lack, Noted

_NEEDED: Final = ("Patient", "Encounter")


def arrived(found: Found, files: tuple[Path, ...], noted: Sequence[Noted]) -> Arrived:
    """Raises BatchError where nobody could be assessed, for want of what every stay needs."""
    lacks = {patient: types for each in noted for patient, types in each.lacks.items()}
    refused = _sum(each.refused for each in noted)
    nothing = _refused_for_all(lacks, len(found.patients))
    nothing |= set(refused) - set(_sum(each.given for each in noted))
    for kind in sorted(nothing.intersection(_NEEDED)):
        raise BatchError(f"{found.asked.base}/{kind}", "was given of no patient.", _CHECK)
    doubted = {patient: frozenset(types) - nothing for patient, types in lacks.items()}
    return Arrived(
        files,
        types=frozenset(found.types) - nothing,
        partial=(frozenset(found.narrowed) | set(refused)) - nothing,
        doubted={patient: types for patient, types in sorted(doubted.items()) if types},
        stays=found.stays,
        absent=found.absent + sum(each.absent for each in noted),
        transaction_time=moment(found.asked_at or ""),
    )


def _refused_for_all(lacks: Mapping[str, Mapping[str, Lack]], patients: int) -> set[str]:
    counted = Counter(
        kind for types in lacks.values() for kind, why in types.items() if why == "refused"
    )
    return {kind for kind, count in counted.items() if count == patients}


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return total


_CHECK: Final = (
    "Check at the server what it lets be searched by patient, and what the registration of the app"
    " allows; then give --run another folder."
)
