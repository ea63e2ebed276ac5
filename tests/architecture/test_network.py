import asyncio
import socket
import urllib.request

import pytest

ELSEWHERE = "192.0.2.1"  # an address reserved for documentation


async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"here")
    writer.close()
    await writer.wait_closed()


async def test_loopback_is_reachable() -> None:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("localhost", port)
        assert await reader.read() == b"here"
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_another_machine_is_out_of_reach(method: str) -> None:
    with socket.socket() as line, pytest.raises(Exception, match="loopback only"):
        getattr(line, method)((ELSEWHERE, 80))


def test_no_name_is_looked_up() -> None:
    with pytest.raises(Exception, match="loopback only"):
        urllib.request.urlopen("http://hospital.example/metadata", timeout=1)


async def test_no_name_is_looked_up_by_asyncio() -> None:
    with pytest.raises(Exception, match="loopback only"):
        await asyncio.open_connection("hospital.example", 443)
