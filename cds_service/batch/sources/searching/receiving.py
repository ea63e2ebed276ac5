"""The whole record of a patient: every type by its own search, as lines of a file.

Entries are handled as in a hook's searches (cds_service/records.py): an outcome is no resource; what is
included counts only if it supports others; what is another patient's ends the run.
"""

from collections.abc import Iterator, Sequence
from typing import IO, Final
from urllib.parse import quote

import msgspec

from cds_service.batch.errors import BatchError
from cds_service.batch.sources.searching.asking import COUNT
from cds_service.batch.sources.searching.reading import NotGivenError, Reader
from cds_service.batch.sources.searching.state import Noted
from cds_service.searchsets import Searchset, Wholeness
from fhir_mapping.history import DataIssue
from fhir_mapping.resources import PATIENT_BOUND, decode, type_of
from fhir_mapping.subjects import subject_of_malformed
from fhir_mapping.support import references_of

_SUPPORT: Final = frozenset(("Encounter", "Location", "Medication"))


class Receiving:
    """Records of patients, of these types."""

    def __init__(self, reader: Reader, types: Sequence[str]) -> None:
        self._reader = reader
        self._searched = [each for each in types if each in PATIENT_BOUND and each != "Patient"]
        self._reads_patient = "Patient" in types

    async def write(self, patient: str, lines: IO[bytes], noted: Noted) -> None:
        """Everything that the server has of a patient. Raises BatchError."""
        before = lines.tell()
        if self._reads_patient:
            await self._patient(patient, lines, noted)
        for kind in self._searched:
            try:
                await self._search(kind, patient, lines, noted)
            except NotGivenError:
                noted.lacks.setdefault(patient, {})[kind] = "refused"
        if lines.tell() == before:
            noted.absent += 1

    async def _patient(self, patient: str, lines: IO[bytes], noted: Noted) -> None:
        try:
            raw = await self._reader.resource("Patient", f"Patient/{quote(patient, safe='')}")
        except NotGivenError as not_given:
            if not not_given.absent:
                noted.lacks.setdefault(patient, {})["Patient"] = "refused"
            return
        self._check(raw, patient, "Patient")
        lines.write(line_of(raw))

    async def _search(self, kind: str, patient: str, lines: IO[bytes], noted: Noted) -> None:
        address = f"{kind}?patient={quote(patient, safe='')}&_count={COUNT}"
        whole, sound = Wholeness(), True
        async for page in self._reader.pages(address):
            whole.add(page)
            sound &= not page.failed
            for raw, included in _entries(page):
                self._check(raw, patient, kind)
                sound &= included or _is_expected(raw, kind)
                lines.write(line_of(raw))
                noted.refers |= _refers(raw)
        if not (sound and whole.holds(count=COUNT, counted=True)):
            noted.lacks.setdefault(patient, {})[kind] = "partial"

    def _check(self, raw: msgspec.Raw, patient: str, kind: str) -> None:
        whose = subject_of_malformed(raw) if type_of(raw) in PATIENT_BOUND else ""
        if whose not in ("", patient):
            raise BatchError(
                f"{self._reader.base}/{kind}",
                "gives what is another patient's than the one who was asked for; nothing was scored.",
                "Ask those who run the server why it does not search by patient.",
            )


def _entries(page: Searchset) -> Iterator[tuple[msgspec.Raw, bool]]:
    """What counts, and whether it was merely included."""
    for position, raw in page.resources:
        included = position in page.supporting
        if not included or type_of(raw) in _SUPPORT:
            yield raw, included


def _is_expected(raw: msgspec.Raw, kind: str) -> bool:
    """Whether an entry is what was searched for, and somebody's."""
    given = type_of(raw)
    return given in _SUPPORT - {kind} or (given == kind and bool(subject_of_malformed(raw)))


def _refers(raw: msgspec.Raw) -> set[str]:
    resource = decode(raw)
    if resource is None or isinstance(resource, DataIssue):
        return set()
    return {each.reference for each in references_of(resource) if each and each.reference}


def line_of(raw: msgspec.Raw) -> bytes:
    """One line of a file: JSON has line breaks between its parts alone."""
    return bytes(raw).replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
