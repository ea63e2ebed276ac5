"""One request to a bulk server: with a token where it may have one, and again with another after a 401.

Where a token goes: to the FHIR server's own origin; to the status address that the kick-off answered
with; and to a file elsewhere only if the manifest says `requiresAccessToken: true`, which means that
files need the authorization of the export itself. Where it says false none is sent, not even to the
own origin. A redirect to another origin is followed without it. What is not https is never called.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, Self

import httpx
import msgspec

from cds_service.batch.calling.addresses import checked, plain
from cds_service.batch.calling.system_scopes import Readable
from cds_service.batch.errors import BatchError
from cds_service.errors import FHIR_JSON

LARGEST: Final = 64 * 1024 * 1024
"""Of what is held in memory: kick-off answers, manifests, outcomes. Files are streamed."""
_REDIRECTS: Final = 5
_REDIRECTED: Final = frozenset((301, 302, 303, 307, 308))
_TIMEOUT: Final = httpx.Timeout(120.0, connect=20.0)
_PASSING: Final = frozenset(("transient", "throttled", "timeout", "lock-error"))


class TokenSource(Protocol):
    """What cds_service.batch.calling.backend.BackendTokens is."""

    async def bearer(self) -> str:
        """A token."""

    async def renewed(self, refused: str) -> str:
        """Another one."""

    async def readable(self) -> Readable:
        """What it allows to read."""


class _Issue(msgspec.Struct, gc=False):
    code: str = ""


class _Outcome(msgspec.Struct, gc=False, rename="camel"):
    resource_type: str = ""
    issue: tuple[_Issue, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came, whole. Status 0: nothing did; the body then says why, in a word."""

    status: int
    headers: httpx.Headers
    body: bytes

    @classmethod
    def none(cls, wrong: Exception) -> Self:
        """No whole answer."""
        untrusted = "CERTIFICATE_VERIFY_FAILED" in str(wrong)
        why = "its certificate is not trusted" if untrusted else type(wrong).__name__
        return cls(0, httpx.Headers(), why.encode())

    @property
    def codes(self) -> frozenset[str] | None:
        """Issue codes of an OperationOutcome; None where the body is none."""
        try:
            outcome = msgspec.json.decode(self.body, type=_Outcome)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        if outcome.resource_type != "OperationOutcome":
            return None
        return frozenset(each.code for each in outcome.issue)

    @property
    def passes(self) -> bool:
        """Whether the same request may be answered later: busy, away, or failing for a moment."""
        if self.status in (0, 429):
            return True
        codes = self.codes
        return self.status >= 500 and (not codes or bool(codes & _PASSING))

    def in_words(self) -> str:
        """Status and issue codes, and nothing that a server wrote freely."""
        if self.status == 0:
            return f"no answer ({self.body.decode()})"
        known = sorted(each for each in self.codes or () if each.replace("-", "").isalpha())
        return f"status {self.status}" + (f" ({', '.join(known)[:80]})" if known else "")


class Sender:
    """Requests on behalf of one export."""

    def __init__(self, http: httpx.AsyncClient, tokens: TokenSource | None) -> None:
        self._http, self._tokens = http, tokens

    async def read(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Answer:
        """A whole answer. Raises httpx.HTTPError where none came, BatchError where none may be sought."""
        asked = {"accept": FHIR_JSON} | dict(headers or {})
        received = bytearray()
        async with self.stream(method, url, headers=asked, content=content) as answer:
            async for chunk in answer.aiter_bytes():
                received += chunk
                if len(received) > LARGEST:
                    raise BatchError(plain(url), "answers with more than 64 MiB.", _ASK_SITE)
            return Answer(answer.status_code, answer.headers, bytes(received))

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        authorized: bool = True,
    ) -> AsyncGenerator[httpx.Response]:
        """An answer to read bit by bit; redirects of a GET are followed."""
        target, token = httpx.URL(url), await self._token(authorized)
        for _ in range(_REDIRECTS + 1):
            async with self._authorized(method, target, headers, content, token) as answer:
                onward = answer.headers.get("location")
                if method != "GET" or answer.status_code not in _REDIRECTED or not onward:
                    yield answer
                    return
            following = httpx.URL(checked(str(target.join(onward)), f"{plain(target)}: redirect"))
            token = token if _origin(following) == _origin(target) else None
            target = following
        raise BatchError(plain(url), "redirects without end.", _ASK_SITE)

    @contextlib.asynccontextmanager
    async def _authorized(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        content: bytes | None,
        token: str | None,
    ) -> AsyncIterator[httpx.Response]:
        async with self._once(method, url, headers, content, token) as answer:
            if answer.status_code != 401 or token is None or self._tokens is None:
                yield answer
                return
        again = await self._tokens.renewed(token)
        async with self._once(method, url, headers, content, again) as answer:
            if answer.status_code == 401:
                raise BatchError(
                    plain(url),
                    "does not take the token that its authorization server gave.",
                    "Check at the server what the registration of the app allows.",
                )
            yield answer

    def _once(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str],
        content: bytes | None,
        token: str | None,
    ) -> contextlib.AbstractAsyncContextManager[httpx.Response]:
        bearer = {} if token is None else {"authorization": f"Bearer {token}"}
        asked = {"accept-encoding": "gzip"} | dict(headers) | bearer
        return self._http.stream(
            method, url, headers=asked, content=content, follow_redirects=False, timeout=_TIMEOUT
        )

    async def _token(self, authorized: bool) -> str | None:
        return await self._tokens.bearer() if authorized and self._tokens else None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def same_origin(one: str, other: str) -> bool:
    """Whether two addresses are of one server."""
    return _origin(httpx.URL(one)) == _origin(httpx.URL(other))


_ASK_SITE: Final = "Ask those who run the server."
