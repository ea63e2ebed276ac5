"""Whose records, and which of their stays: by a search for encounters, a Group, or a list of ids."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.roster import Group
from cds_service.batch.sources.searching.asking import Asked
from cds_service.batch.sources.searching.reading import NotGivenError, Reader
from cds_service.searchsets import Searchset
from fhir_mapping.resources import Encounter, decode, type_of
from fhir_mapping.subjects import patient_of, subject_of


@dataclass
class Sought:
    """Patients in the order they were met, with the stays to score; None: those that the rule
    chooses. `absent`: how many more the server says or is said to have."""

    stays: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    absent: int = 0

    def add(self, patient: str, stay: str | None) -> None:
        """One more; a stay that is named counts for more than the rule."""
        named = self.stays.setdefault(patient, None)
        if stay and stay not in (named or ()):
            self.stays[patient] = (*(named or ()), stay)


async def sought(reader: Reader, asked: Asked) -> Sought:
    """Ask the server for whom it has. Raises BatchError."""
    try:
        if asked.stays:
            return await _by_search(reader, asked.stays)
        if asked.group:
            return await _by_group(reader, asked.group)
        return await _by_list(reader, asked.ids)
    except NotGivenError as not_given:
        raise BatchError(asked.base, f"does not say who: {not_given.said}.", _CHECK) from None


async def _by_search(reader: Reader, address: str) -> Sought:
    found, total, met = Sought(), 0, set[str]()
    async for page in reader.pages(address):
        if page.failed:
            raise BatchError(
                f"{reader.base}/Encounter",
                "says in an OperationOutcome that the search went wrong.",
                "Check the search; a server may not know what it asks for.",
            )
        total = max(total, page.total or 0)
        for raw in _matches(page):
            met.add(_place(decode(raw), found))
        reader.around.progress.say("Search for stays", len(met))
    found.absent += max(0, total - len(met))
    return found


def _matches(page: Searchset) -> Iterator[msgspec.Raw]:
    for position, raw in page.resources:
        if position not in page.supporting and type_of(raw) == "Encounter":
            yield raw


def _place(encounter: object, found: Sought) -> str:
    """Its id; one that cannot be read, or is no patient's, is as good as not there."""
    if isinstance(encounter, Encounter) and encounter.id:
        patient = subject_of(encounter)
        if patient and "/" not in patient:
            found.add(patient, encounter.id)
            return encounter.id
    found.absent += 1
    return f"absent {found.absent}"


async def _by_group(reader: Reader, group_id: str) -> Sought:
    raw, where = await reader.resource("Group", f"Group/{group_id}"), f"{reader.base}/Group"
    try:
        group = msgspec.json.decode(raw, type=Group)
    except (msgspec.MsgspecError, UnicodeError):
        raise BatchError(where, "is no Group that can be read.", "Ask those who run it.") from None
    if not group.actual:
        raise BatchError(
            where, "describes its members and does not list them.", "Search by Encounter?..."
        )
    found = Sought()
    for each in group.active():
        patient = patient_of(each)
        if _GROUP.search(each):
            raise BatchError(where, "has groups as members.", "Name each of them.")
        if patient and "/" not in patient:
            found.add(patient, None)
    return found


async def _by_list(reader: Reader, ids: tuple[str, ...]) -> Sought:
    """A server that is none would have nobody: it is asked first what it is."""
    await reader.resource("CapabilityStatement", "metadata")
    found = Sought()
    for done, each in enumerate(ids):
        kind, _, named = each.partition("/")
        if kind == "Patient":
            found.add(named, None)
        else:
            await _by_id(reader, each, found)
            reader.around.progress.say("Read stays", done, len(ids))
    return found


async def _by_id(reader: Reader, path: str, found: Sought) -> None:
    try:
        encounter = decode(await reader.resource("Encounter", path))
    except NotGivenError as not_given:
        if not not_given.absent:
            raise
        found.absent += 1
        return
    _place(encounter, found)


_GROUP: Final = re.compile(r"(?:^|/)Group/")
_CHECK: Final = (
    "Check that the address is the base of a FHIR server, what it lets be searched, and that the"
    " registration of the app allows it."
)
