"""The key sets that clients publish: fetched when needed, kept as long as they allow. Not which are trusted.

Only a `jku` of the tenants file gets here. One fetch at a time for each of them, which all waiting
calls share; none follows a redirect.
"""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
from joserfc.jwk import Key

from cds_service.trust.public_keys import PublicKeys, read_key_set
from cds_service.trust.refusals import refused

TIMEOUT_S = 3.0
LARGEST = 256 * 1024
SHORTEST, SILENT, LONGEST = timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=24)
AGAIN = timedelta(seconds=30)
AGAIN_AFTER_FAILURE = timedelta(seconds=5)
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_NOT_KEPT = re.compile(r"\bno-(store|cache)\b", re.IGNORECASE)


class _Unavailable(Exception):  # noqa: N818 - never leaves this module
    """Why no key set came: a word for the log."""


@dataclass
class _Kept:
    """What is known of one address."""

    keys: PublicKeys | None = None
    fresh_until: datetime | None = None
    tried: datetime | None = None
    failed: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def answers(self, key_id: str, now: datetime) -> bool:
        keys = self._fresh(now)
        return keys is not None and key_id in keys.fit

    def may_be_tried(self, now: datetime) -> bool:
        if self.tried is None:
            return True
        if not self.failed and self._fresh(now) is None:
            return True
        # either way: the clock may have been put back
        return abs(now - self.tried) >= (AGAIN_AFTER_FAILURE if self.failed else AGAIN)

    def key(self, key_id: str, now: datetime) -> Key:
        keys = self._fresh(now)
        if keys is None or (self.failed and key_id not in keys.fit):
            raise refused("key_set_unavailable", key_set=self.failed)
        return keys.key(key_id)

    def _fresh(self, now: datetime) -> PublicKeys | None:
        if self.fresh_until is None or self.tried is None:
            return None
        return self.keys if self.tried - AGAIN < now < self.fresh_until else None


class KeySets:
    """The key sets of all tenants that publish one."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._kept: dict[str, _Kept] = {}

    async def key(self, address: str, key_id: str, *, now: datetime) -> Key:
        """One key of the set at an address. Raises ClientNotTrustedError."""
        kept = self._kept.setdefault(address, _Kept())
        if not kept.answers(key_id, now):
            async with kept.lock:
                if not kept.answers(key_id, now) and kept.may_be_tried(now):
                    await self._renew(kept, address, now)
        return kept.key(key_id, now)

    async def _renew(self, kept: _Kept, address: str, now: datetime) -> None:
        kept.tried = now
        try:
            kept.keys, fresh_for = await self._fetch(address)
        except _Unavailable as why:
            kept.failed = str(why)
        else:
            kept.fresh_until, kept.failed = now + fresh_for, ""

    async def _fetch(self, address: str) -> tuple[PublicKeys, timedelta]:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                content, caching = await self._content(address)
        except (TimeoutError, httpx.TimeoutException):
            raise _Unavailable("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _Unavailable("unreachable") from None
        try:
            return read_key_set(content), lifetime(caching)
        except ValueError:
            raise _Unavailable("not_a_key_set") from None

    async def _content(self, address: str) -> tuple[bytes, str]:
        # uncompressed, so that what is counted is what is read
        asked = {"accept": "application/json", "accept-encoding": "identity"}
        received = bytearray()
        async with self._http.stream(
            "GET", address, headers=asked, follow_redirects=False, timeout=TIMEOUT_S
        ) as answer:
            if answer.status_code != 200:
                raise _Unavailable("status")
            async for chunk in answer.aiter_raw():
                received += chunk
                if len(received) > LARGEST:
                    raise _Unavailable("too_large")
            return bytes(received), answer.headers.get("cache-control", "")


def lifetime(caching: str) -> timedelta:
    """How long a key set is kept that came with this `Cache-Control`, within bounds."""
    if _NOT_KEPT.search(caching):
        return SHORTEST
    stated = _MAX_AGE.search(caching)
    if not stated:
        return SILENT
    return min(max(timedelta(seconds=int(stated[1])), SHORTEST), LONGEST)
