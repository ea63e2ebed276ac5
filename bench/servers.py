"""Servers of the bench: each in a process of its own, on loopback, gone at the end."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

_PATIENCE_S = 60.0


@contextmanager
def serving(
    arguments: list[str],
    ready: str,
    *,
    python: str | Path = sys.executable,
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Start `python -m ...arguments` with `{port}` filled in; yield its base URL once `ready` answers.

    `settings`: what its environment has beside ours.
    """
    port = _free_port()
    command = [python, "-m", *(each.format(port=port) for each in arguments)]
    environment = os.environ | (settings or {})
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=Path.cwd(), env=environment, **quiet) as server:
        base = f"http://127.0.0.1:{port}"
        try:
            _wait(base + ready, server)
            yield base
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and server.poll() is None:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"no answer from {url}: run the server by hand to see why")
