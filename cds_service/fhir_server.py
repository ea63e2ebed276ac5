"""Reads of one FHIR server on behalf of one hook call: GET with the call's token. No meaning.

Only a server that the site lists is contacted, and only at addresses under its base: neither a
`next` link nor a redirect leads elsewhere. Every way to fail is a code of fhir_mapping/issues.py.
"""

from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final
from urllib.parse import quote

import anyio
import httpx
import msgspec
from httpx_retries import Retry, RetryTransport
from pydantic import SecretStr

from cds_service.answers import Fetched
from cds_service.errors import FHIR_JSON
from cds_service.hooks.call import Renew
from cds_service.paging import PagesNotFollowedError, pages_of
from cds_service.searchsets import Searchset, open_searchset
from fhir_mapping.resources import type_of

MOST_PAGES: Final = 20
_RETRIES: Final = 2
_BACKOFF_S: Final = 0.2
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_BUSY: Final = 429


class _Trouble(Exception):  # noqa: N818 - an outcome with a code, caught where a key is read
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _NotAcceptedError(_Trouble):
    """The server does not take the token, or no longer."""

    def __init__(self) -> None:
        super().__init__("server_denied")


class _Retry(Retry):
    """Waits as long as the server asks to, but not at all where that is more than is left."""

    async def asleep(self, response: httpx.Response | Exception) -> None:
        asked = (
            response.headers.get("Retry-After") if isinstance(response, httpx.Response) else None
        )
        if asked and self._wanted(asked) > (self.total_timeout or 0.0):
            raise _Trouble("server_unavailable")
        await super().asleep(response)

    def parse_retry_after(self, retry_after: str) -> float:
        """A date that no clock has is as good as none."""
        try:
            return super().parse_retry_after(retry_after)
        except OverflowError:
            raise ValueError("Retry-After is no date") from None

    def _wanted(self, asked: str) -> float:
        try:
            return self.parse_retry_after(asked)
        except ValueError:
            return 0.0


_tls: Final = cache(httpx.create_ssl_context)
"""Reading the certificate authorities takes longer than all else at start; they are one set."""


def outgoing_client() -> httpx.AsyncClient:
    """The one client of a process. It keeps no cookies: calls of several users share it. It
    retries only where a request says so."""
    closed = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx.AsyncClient(
        transport=RetryTransport(httpx.AsyncHTTPTransport(verify=_tls()), retry=Retry(total=0)),
        cookies=closed,
        follow_redirects=False,
    )


class FhirServer:
    """One server, as one call may read it: with its token, its share of requests and bytes.

    `renew`: asked once for each request that its token does not open.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        base: str,
        *,
        token: SecretStr | None,
        concurrency: int,
        most_bytes: int,
        silence_s: float,
        renew: Renew | None = None,
    ) -> None:
        self._client = client
        self._base = httpx.URL(f"{base.rstrip('/')}/")
        self._headers = {"Accept": FHIR_JSON, "Accept-Encoding": "gzip"}
        self._token, self._renew = token, renew
        self._free = anyio.CapacityLimiter(concurrency)
        self._bytes_left = most_bytes
        self._timeout = httpx.Timeout(silence_s)
        self.requests = 0

    async def read(self, query: str, resource_type: str, found: Fetched) -> None:
        """One resource by its id, into `found`."""
        try:
            found.pages.append(await self._get(self._address(query), resource_type))
            found.trouble = None
        except _Trouble as trouble:
            found.trouble = trouble.code

    async def search(self, query: str, found: Fetched, *, next_page: str | None = None) -> None:
        """Every page of a search, or those from `next_page` on, into `found`."""
        try:
            first = self._address(query)
            await self._pages(first.join(next_page) if next_page else first, found)
            found.trouble = None
        except (_Trouble, PagesNotFollowedError, httpx.InvalidURL) as trouble:
            found.trouble = getattr(trouble, "code", "pages_not_followed")

    async def _pages(self, first: httpx.URL, found: Fetched) -> None:
        async def get(url: httpx.URL) -> Searchset:
            raw = await self._get(url, "Bundle")
            page = open_searchset(raw)
            if page is None:
                raise _Trouble("server_answer_unusable")
            found.pages.append(raw)
            return page

        async for _ in pages_of(first, self._base, get, MOST_PAGES):
            pass

    def _address(self, query: str) -> httpx.URL:
        # some servers refuse a bare | in the request line
        return httpx.URL(f"{self._base}{quote(query, safe='/?&=:,%')}")

    async def _get(self, url: httpx.URL, resource_type: str) -> msgspec.Raw:
        async with self._free:
            try:
                raw = msgspec.Raw(await self._body(url))
            except httpx.DecodingError:
                raise _Trouble("server_answer_unusable") from None
            except httpx.HTTPError:
                raise _Trouble("server_unavailable") from None
        given = type_of(raw)
        if given != resource_type:
            failed = given == "OperationOutcome"
            raise _Trouble("server_refused" if failed else "server_answer_unusable")
        return raw

    async def _body(self, url: httpx.URL) -> bytes:
        used = self._token
        try:
            return await self._sent(url, used)
        except _NotAcceptedError:
            again = await self._renew(used) if used and self._renew else None
            if again is None:
                raise
        self._token = again
        return await self._sent(url, again)

    async def _sent(self, url: httpx.URL, token: SecretStr | None) -> bytes:
        self.requests += 1
        async with self._client.stream(
            "GET",
            url,
            headers=self._headers | _bearer(token),
            timeout=self._timeout,
            extensions={"retry": _retry()},
        ) as response:
            _check_status(response.status_code)
            received = bytearray()
            async for chunk in response.aiter_bytes():
                received += chunk
                self._bytes_left -= len(chunk)
                if self._bytes_left < 0:
                    raise _Trouble("server_answer_too_large")
            return bytes(received)


def _bearer(token: SecretStr | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}


def _check_status(status: int) -> None:
    if status == _UNAUTHORIZED:
        raise _NotAcceptedError
    if status == _FORBIDDEN:
        raise _Trouble("server_denied")
    if status == _BUSY or status >= 500:
        raise _Trouble("server_unavailable")
    if status != 200:
        raise _Trouble("server_refused")


def _retry() -> _Retry:
    """A few more tries of one GET, in what is left of the budget that it is made under."""
    left = anyio.current_effective_deadline() - anyio.current_time()
    return _Retry(total=_RETRIES, backoff_factor=_BACKOFF_S, total_timeout=max(left, 0.001))
