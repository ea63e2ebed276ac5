"""What the dev EHR's routes share: how a body is read, and what is sent along with every answer."""

from typing import Final
from urllib.parse import parse_qsl

from fastapi import HTTPException, Request

_LONGEST: Final = 64 * 1024
HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


async def form(request: Request) -> dict[str, str]:
    """The fields of an urlencoded form."""
    return dict(parse_qsl((await body(request)).decode("utf-8", "replace")))


async def body(request: Request) -> bytes:
    """The body, up to what any of these requests needs."""
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > _LONGEST:
            raise HTTPException(413)
    return bytes(received)
