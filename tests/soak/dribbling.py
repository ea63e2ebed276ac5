"""Clients that no service wishes for: they send a byte now and then, or are gone before it is done."""

import asyncio
import json
import socket
import struct
from contextlib import suppress

from tests.service.loading import URL
from tests.service.requests import example

_PAUSE_S = 0.02
_PIECES = 60
_GONE = struct.pack("ii", 1, 0)  # SO_LINGER: closed with a reset, as by a machine that lost power


def request(example_name: str = "margaret-heart-failure") -> bytes:
    """A whole request that asks for the connection to be closed."""
    body = json.dumps(example(example_name)).encode()
    head = f"POST {URL} HTTP/1.1\r\nhost: readmit\r\nconnection: close\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def dribbled(base: str) -> int:
    """Send a request in many small pieces; the status of the answer."""
    sent = request()
    step = -(-len(sent) // _PIECES)
    reader, writer = await _opened(base)
    for start in range(0, len(sent), step):
        writer.write(sent[start : start + step])
        await writer.drain()
        await asyncio.sleep(_PAUSE_S)
    answer = await reader.read()
    writer.close()
    return int(answer[9:12])


async def stuck(base: str, *, after: int) -> asyncio.StreamWriter:
    """Send so many bytes of a request, and then nothing more."""
    _, writer = await _opened(base)
    writer.write(request()[:after])
    await writer.drain()
    return writer


async def vanish(writer: asyncio.StreamWriter) -> None:
    """Reset the connection."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _GONE)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def _opened(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = base.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port))
