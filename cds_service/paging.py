"""The pages of a search at a FHIR server, one after another: never off the server, never in a circle.

How a page is had, and what a page that cannot be used comes to, is the caller's.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import unquote

import httpx

from cds_service.searchsets import Searchset


class PagesNotFollowedError(Exception):
    """A next page lies elsewhere, was there before, has no address, or is one too many."""


async def pages_of(
    first: httpx.URL, base: httpx.URL, get: Callable[[httpx.URL], Awaitable[Searchset]], most: int
) -> AsyncIterator[Searchset]:
    """Every page from `first` on, `most` of them. `base` ends in a slash: what is not under it is
    not asked for. Raises PagesNotFollowedError, and what `get` raises."""
    url, seen = first, set[httpx.URL]()
    while True:
        if not _is_under(url, base) or url in seen or len(seen) == most:
            raise PagesNotFollowedError
        seen.add(url)
        page = await get(url)
        yield page
        if not page.more:
            return
        url = _joined(url, page.next_page or "")


def _joined(url: httpx.URL, onward: str) -> httpx.URL:
    try:
        return url.join(onward)
    except httpx.InvalidURL:
        raise PagesNotFollowedError from None


def _is_under(url: httpx.URL, base: httpx.URL) -> bool:
    same = (url.scheme, url.netloc) == (base.scheme, base.netloc)
    below = f"{url.path}/".startswith(base.path)
    return same and below and not url.userinfo and ".." not in unquote(url.path)
