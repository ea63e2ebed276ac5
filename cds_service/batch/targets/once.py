"""A resource written to a FHIR server once, whatever was killed in between: decision 0020.

What a server refuses of one resource is a result. What no later resource could pass is a BatchError.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import httpx
import msgspec

from cds_service.batch.calling.patience import MOST_FAILURES, Surroundings, given_up, tried
from cds_service.batch.calling.sending import Answer
from cds_service.batch.errors import BatchError
from cds_service.batch.targets.pieces import Piece
from cds_service.batch.targets.statement import Way
from cds_service.errors import FHIR_JSON
from cds_service.paging import PagesNotFollowedError, pages_of
from cds_service.searchsets import Searchset, open_searchset

_MOST_PAGES: Final = 100
_CONTENT: Final = {"content-type": FHIR_JSON, "prefer": "return=minimal"}
_NOT_TAKEN_UP: Final = frozenset((429, 503))
_NEVER_SENT: Final = frozenset((b"ConnectError", b"ConnectTimeout", b"PoolTimeout"))


@dataclass(frozen=True)
class Became:
    """What a piece came to. `at`: `Type/id` at the server, where it is there. `gone`: it was there
    and somebody removed it. `unsure`: sent, and nobody can tell whether it arrived."""

    what: Literal["new", "there", "gone", "refused", "unsure"]
    at: str = ""
    why: str = ""
    status: int = 0


class _NoPageError(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Ledger(Protocol):
    """What cds_service.batch.targets.ledger.StoreLedger is: it remembers over crashes."""

    async def begin(self, kind: str, uuid: str) -> str | None:
        """None: noted now that it will be sent. Else where it is; empty where that is not known."""

    async def end(self, kind: str, uuid: str, at: str) -> None:
        """Note where it is."""

    async def withdraw(self, kind: str, uuid: str) -> None:
        """It did not arrive."""


_Attempt = Callable[[Piece, str], Awaitable[Became | Answer]]


class Once:
    """One server at `base`. `ways`: by kind of resource. `ledger` is there where a way notes."""

    def __init__(
        self, around: Surroundings, base: str, ways: Mapping[str, Way], ledger: Ledger | None
    ) -> None:
        self._around, self._base, self._ways = around, base.rstrip("/"), ways
        self._ledger = ledger
        self._attempts: Mapping[str, _Attempt] = {
            "update": self._update,
            "condition": self._create_unless,
            "search": self._search_and_create,
            "note": self._note_and_create,
        }

    async def write(self, piece: Piece) -> Became:
        """Have it there, now or already; again while the server is busy or away. Raises BatchError."""
        way = self._ways[piece.kind]
        for attempt in range(MOST_FAILURES):
            found = await self._attempts[way.how](piece, way.by)
            if isinstance(found, Became):
                return found
            answer = found
            if not answer.passes:
                return self._refused(answer)
            if attempt + 1 < MOST_FAILURES:
                await self._around.wait(answer.headers, attempt)
        raise given_up(f"{self._base}/{piece.kind}", MOST_FAILURES, answer)

    async def _update(self, piece: Piece, by: str) -> Became | Answer:
        """What is there stays as it is: somebody may have marked it."""
        at = f"{piece.kind}/{piece.uuid}"
        there = await self._asked("GET", at)
        if there.status == 200:
            ours = piece.place_of(there.body) == at
            return Became("there", at) if ours else Became("refused", why=_OTHER)
        if there.status == 410:
            return Became("gone")
        if there.status != 404:
            return there
        answer = await self._asked("PUT", at, piece)
        return Became("new", at) if answer.status in (200, 201) else answer

    async def _create_unless(self, piece: Piece, by: str) -> Became | Answer:
        condition = {"if-none-exist": f"{by}={piece.lookups[by]}"}
        return self._created(await self._created_by(piece, condition), piece)

    async def _search_and_create(self, piece: Piece, by: str) -> Became | Answer:
        found = await self._searched(piece, by)
        if found is not None:
            return found
        return self._created(await self._created_by(piece), piece)

    async def _note_and_create(self, piece: Piece, by: str) -> Became | Answer:
        """Sent at most once. Without an answer nobody can tell whether it arrived."""
        ledger = self._ledger
        if ledger is None:  # pragma: no cover - opened wherever a way notes
            raise ValueError("this way needs a ledger")
        begun = await ledger.begin(piece.kind, piece.uuid)
        if begun is not None:
            return Became("there", begun) if begun else Became("unsure", why=_UNSURE)
        answer = await self._created_by(piece)
        if _did_not_arrive(answer):
            await ledger.withdraw(piece.kind, piece.uuid)
            return answer
        if answer.status not in (200, 201):
            return Became("unsure", why=_UNSURE)
        became = self._created(answer, piece)
        if isinstance(became, Became):
            await ledger.end(piece.kind, piece.uuid, became.at)
        return became

    async def _searched(self, piece: Piece, by: str) -> Became | Answer | None:
        """None: it is not there. An answer: it could not be looked for."""
        if by not in piece.lookups:
            return Became("refused", why="its patient has no FHIR id to search by")
        url = httpx.URL(f"{self._base}/{piece.kind}", params={by: piece.lookups[by]})
        base = httpx.URL(f"{self._base}/")
        try:
            async for page in pages_of(url, base, self._page, _MOST_PAGES):
                places = (piece.place_of(raw) for _, raw in page.resources)
                if at := next(filter(None, places), None):
                    return Became("there", at)
        except _NoPageError as none:
            return none.answer
        except PagesNotFollowedError:
            where = f"{self._base}/{piece.kind}"
            raise BatchError(where, "has pages that cannot be followed.", _ASK) from None
        return None

    async def _page(self, url: httpx.URL) -> Searchset:
        answer = await tried(self._around, "GET", str(url))
        page = open_searchset(msgspec.Raw(answer.body)) if answer.status == 200 else None
        if page is None or page.failed:
            raise _NoPageError(answer)
        return page

    def _created(self, answer: Answer, piece: Piece) -> Became | Answer:
        if answer.status not in (200, 201):
            return answer
        stated = answer.headers.get("location", "") or answer.headers.get("content-location", "")
        place = re.search(rf"{piece.kind}/[A-Za-z0-9.-]{{1,64}}", stated)
        at = place[0] if place else piece.place_of(answer.body)
        if at is None:
            raise BatchError(
                f"{self._base}/{piece.kind}", "does not say under which id it created.", _ASK
            )
        return Became("new" if answer.status == 201 else "there", at)

    def _refused(self, answer: Answer) -> Became:
        if answer.status == 401:
            raise BatchError(self._base, "asks for a token.", "Give the tenant a [tenant.backend].")
        return Became("refused", why=answer.in_words(), status=answer.status)

    async def _created_by(self, piece: Piece, condition: Mapping[str, str] | None = None) -> Answer:
        return await self._asked("POST", piece.kind, piece, condition)

    async def _asked(
        self,
        method: str,
        path: str,
        piece: Piece | None = None,
        condition: Mapping[str, str] | None = None,
    ) -> Answer:
        content, headers = None, dict(condition or {})
        if piece is not None:
            unnamed = {"id"} if method == "POST" else set()
            body = {name: each for name, each in piece.made.items() if name not in unnamed}
            content, headers = msgspec.json.encode(body), headers | _CONTENT
        return await tried(self._around, method, f"{self._base}/{path}", headers, content)


def _did_not_arrive(answer: Answer) -> bool:
    if answer.status == 0:
        return answer.body in _NEVER_SENT
    return 400 <= answer.status < 500 or answer.status in _NOT_TAKEN_UP


_OTHER: Final = "something else answers under its id"
_ASK: Final = "Ask those who run the server."
_UNSURE: Final = "sent once, and no answer was noted: look for its identifier at the server"
