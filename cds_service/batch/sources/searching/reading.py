"""Reads of a FHIR server for a batch: one resource, or the pages of a search, patiently."""

from collections.abc import AsyncIterator
from email.utils import format_datetime
from typing import Final

import httpx
import msgspec

from cds_service.batch.calling.addresses import plain
from cds_service.batch.calling.patience import Surroundings, patiently
from cds_service.batch.calling.sending import Answer
from cds_service.batch.calling.waiting import moment
from cds_service.batch.errors import BatchError
from cds_service.errors import FHIR_JSON
from cds_service.paging import PagesNotFollowedError, pages_of
from cds_service.searchsets import Searchset, open_searchset
from fhir_mapping.resources import type_of

MOST_PAGES: Final = 10_000
_MOST_UNUSABLE: Final = 4
_GONE: Final = frozenset((404, 410))
_NOT_SO: Final = frozenset((400, 403, 405, 501)) | _GONE
"""Answers by which a server says that it does not give this: of a type, not of the whole."""


class NotGivenError(Exception):
    """The server does not give what was asked for. `absent`: it has no such thing."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.in_words())
        self.said, self.absent = answer.in_words(), answer.status in _GONE


class Reader:
    """One server. `asked_at`: its own clock at the first answer, if it says so."""

    def __init__(self, around: Surroundings, base: str) -> None:
        self.around, self.base = around, base
        self._root = httpx.URL(f"{base}/")
        self._first: httpx.Headers | None = None

    @property
    def asked_at(self) -> str | None:
        """As HTTP writes it."""
        read = moment(self._first.get("date", "")) if self._first else None
        return format_datetime(read) if read else None

    async def resource(self, kind: str, path: str) -> msgspec.Raw:
        """The resource at `path` under the base. Raises NotGivenError or BatchError."""
        answer = await self._usable(self._root.join(path), kind)
        return msgspec.Raw(answer)

    async def pages(self, address: str) -> AsyncIterator[Searchset]:
        """Every page of a search. Raises NotGivenError or BatchError."""
        first = self._root.join(address)
        try:
            async for page in pages_of(first, self._root, self._page, MOST_PAGES):
                yield page
        except PagesNotFollowedError:
            raise BatchError(
                plain(first),
                "has a next page that is none: elsewhere, without an address, or without end.",
                "Ask those who run the server.",
            ) from None

    async def _page(self, url: httpx.URL) -> Searchset:
        page = open_searchset(msgspec.Raw(await self._usable(url, "Bundle")))
        assert page is not None  # noqa: S101 - _usable opened it
        return page

    async def _usable(self, url: httpx.URL, kind: str) -> bytes:
        """A body of that kind; what breaks off, or is a page for people, is asked for again."""
        for attempt in range(_MOST_UNUSABLE):
            answer = await self._answer(url)
            raw = msgspec.Raw(answer.body)
            given = type_of(raw)
            if given == kind and (kind != "Bundle" or open_searchset(raw)):
                return answer.body
            if given == "OperationOutcome":
                raise NotGivenError(answer)
            if attempt + 1 < _MOST_UNUSABLE:
                await self.around.wait(answer.headers, attempt)
        raise BatchError(
            plain(url),
            f"answers with something else than a {kind}.",
            "Check that the address is the base of a FHIR server.",
        )

    async def _answer(self, url: httpx.URL) -> Answer:
        answer = await patiently(self.around, "GET", str(url), {"accept": FHIR_JSON}, None)
        self._first = self._first or answer.headers
        if answer.status in _NOT_SO:
            raise NotGivenError(answer)
        if answer.status != 200:
            remedy = _REMEDIES.get(
                answer.status, "Ask those who run it, and start again: it goes on."
            )
            raise BatchError(plain(url), f"gives nothing: {answer.in_words()}.", remedy)
        return answer


_REMEDIES: Final = {401: "The server asks for a token: give the tenant a [tenant.backend]."}
