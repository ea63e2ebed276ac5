"""JSON from an authorization server: bounded in time and size, without redirects or cookies."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx

TIMEOUT_S = 8.0
LARGEST = 256 * 1024


class UnreadableError(Exception):
    """No usable answer came; the message is a word of ours for the log."""


async def read_json(
    http: httpx.AsyncClient,
    method: str,
    address: str,
    *,
    headers: Mapping[str, str],
    content: str | None = None,
) -> tuple[int, Mapping[str, Any]]:
    """Status and JSON object of one request, made once. Raises UnreadableError."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status, body = await _read(http, method, address, dict(headers), content)
    except (TimeoutError, httpx.TimeoutException):
        raise UnreadableError("timeout") from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UnreadableError("unreachable") from None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableError("not_json") from None
    if not isinstance(found, dict):
        raise UnreadableError("not_json")
    return status, found


async def _read(
    http: httpx.AsyncClient,
    method: str,
    address: str,
    headers: dict[str, str],
    content: str | None,
) -> tuple[int, bytes]:
    # uncompressed, so that what is counted is what is read
    asked = {"accept": "application/json", "accept-encoding": "identity"} | headers
    received = bytearray()
    async with http.stream(
        method, address, headers=asked, content=content, follow_redirects=False, timeout=TIMEOUT_S
    ) as answer:
        async for chunk in answer.aiter_raw():
            received += chunk
            if len(received) > LARGEST:
                raise UnreadableError("too_large")
        if answer.status_code >= 500 or answer.status_code in (301, 302, 303, 307, 308):
            raise UnreadableError("status")
        return answer.status_code, bytes(received)
