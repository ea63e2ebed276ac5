"""What an authorization server may answer with, in time, size and form."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cds_service.smart.reading import LARGEST, UnreadableError, read_json

ADDRESS = "https://ehr.example/token"


def answers(content: bytes, status: int = 200) -> Callable[[httpx.Request], httpx.Response]:
    headers = {"location": "https://evil.example"}
    return lambda _: httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


def fails(with_error: type[httpx.RequestError]) -> Callable[[httpx.Request], httpx.Response]:
    def handler(request: httpx.Request) -> httpx.Response:
        raise with_error("Margaret", request=request)

    return handler


async def read(handler: Callable[[httpx.Request], httpx.Response]) -> tuple[int, Any]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as http:
        return await read_json(http, "GET", ADDRESS, headers={})


async def test_an_object_is_read_whatever_its_status() -> None:
    assert await read(answers(b'{"a": 1}')) == (200, {"a": 1})
    assert await read(answers(b'{"error": "e"}', 400)) == (400, {"error": "e"})


@pytest.mark.parametrize(
    ("handler", "word"),
    [
        (fails(httpx.ReadTimeout), "timeout"),
        (fails(httpx.ConnectError), "unreachable"),
        (fails(httpx.RemoteProtocolError), "unreachable"),
        (answers(b"{}", 503), "status"),
        (answers(b"{}", 302), "status"),
        (answers(b"<html>"), "not_json"),
        (answers(b""), "not_json"),
        (answers(b"\xff"), "not_json"),
        (answers(b"[" * 200_000), "not_json"),
        (answers(b'["a"]'), "not_json"),
        (answers(b'"' + b"a" * LARGEST + b'"'), "too_large"),
    ],
)
async def test_what_cannot_be_used_is_a_word(
    handler: Callable[[httpx.Request], httpx.Response], word: str
) -> None:
    with pytest.raises(UnreadableError, match=f"^{word}$"):
        await read(handler)
