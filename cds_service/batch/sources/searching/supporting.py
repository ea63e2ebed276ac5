"""What records refer to that is no patient's: Locations and Medications, each by its id."""

import re
from collections.abc import Iterable, Iterator
from typing import IO, Final

import msgspec

from cds_service.batch.sources.searching.reading import NotGivenError, Reader
from cds_service.batch.sources.searching.receiving import line_of
from cds_service.batch.sources.searching.state import Found, Noted
from fhir_mapping.resources import type_of

TYPES: Final = ("Location", "Medication")
_READ: Final = re.compile(r"(?P<kind>Location|Medication)/[A-Za-z0-9.-]{1,64}")
_SEARCHED: Final = re.compile(r"(?P<kind>Location|Medication)\?[a-z_:-]+=[^&#]+")


def addresses(references: Iterable[str], found: Found) -> list[str]:
    """What can be asked of this server, each once, in order: `Location/1`, or where a reference is
    conditional `Location?identifier=...`. What is contained, or elsewhere, cannot."""
    told = _told(references, found.asked.base)
    return sorted({address for address, kind in told if kind in found.types})


def _told(references: Iterable[str], base: str) -> Iterator[tuple[str, str]]:
    for each in references:
        path = each.removeprefix(f"{base}/").partition("/_history/")[0]
        stated = _READ.fullmatch(path) or _SEARCHED.fullmatch(path)
        if stated:
            yield path, stated["kind"]


class Supporting:
    """Reads of what records refer to."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def write(self, address: str, lines: IO[bytes], noted: Noted) -> None:
        """What is there; a reference into nothing is no lack of the search. Raises BatchError."""
        kind = re.split(r"[/?]", address)[0]
        counts = noted.given
        try:
            lines.writelines([line_of(raw) for raw in await self._raws(kind, address)])
        except NotGivenError as not_given:
            counts = counts if not_given.absent else noted.refused
        counts[kind] = counts.get(kind, 0) + 1

    async def _raws(self, kind: str, address: str) -> list[msgspec.Raw]:
        if "?" not in address:
            return [await self._reader.resource(kind, address)]
        pages = [page async for page in self._reader.pages(address)]
        return [raw for page in pages for _, raw in page.resources if type_of(raw) == kind]
