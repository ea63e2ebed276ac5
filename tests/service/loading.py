"""The service in processes of its own, and requests sent to it at a fixed rate whatever it answers."""

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import psutil
from sqlalchemy import select

from cds_service.storage.tables import ASSESSMENT
from tests.service.requests import EXAMPLES
from tests.service.stored import KEY, opened

ROOT = Path(__file__).resolve().parents[2]
URL = "/cds-services/readmission-risk"
_EXAMPLE = "margaret-heart-failure"
_PATIENCE_S = 60.0
_BEAT_S = 0.02
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Served:
    """A running `readmit serve`, leader of a process group of its own. `log`: what it wrote."""

    process: "subprocess.Popen[bytes]"
    base: str
    environment: dict[str, str]
    log: Path

    def workers(self) -> dict[int, psutil.Process]:
        """The processes that answer, by pid."""
        children = psutil.Process(self.process.pid).children()
        return {each.pid: each for each in children if _is_worker(each)}

    async def complete(self, workers: int) -> dict[int, psutil.Process]:
        """The workers, once there are so many: one that dies while it is asked whether it lives is
        missed for 30 seconds, for uvicorn holds both ends of that pipe."""
        until = time.monotonic() + _PATIENCE_S
        while len(found := self.workers()) < workers and time.monotonic() < until:
            await asyncio.sleep(_BEAT_S)
        return found

    def stop(self) -> int:
        """Ask it to stop; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE_S)

    def kill_all(self) -> None:
        """As when the machine loses power, as far as processes go."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(_PATIENCE_S)

    def audit(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """`readmit audit ...` on the same database."""
        command = [sys.executable, "-m", "cds_service", "audit", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False
        )


@dataclass(frozen=True)
class Call:
    """One request: its hookInstance, and its answer, or None where the connection broke."""

    instance: str
    status: int | None
    cards: int
    seconds: float


@contextmanager
def served(folder: Path, database: str, *, workers: int, **settings: str) -> Iterator[Served]:
    """`readmit serve --dev` on a free port of loopback, ready; killed at the end if it still runs."""
    port = _free_port()
    given = {f"READMIT_{name.upper()}": value for name, value in settings.items()}
    given |= {"READMIT_DATABASE": database, "READMIT_STORAGE_KEYS": json.dumps([KEY])}
    environment = os.environ | given | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cds_service", "serve", "--dev", "--port", str(port)]
    command += ["--workers", str(workers)]
    path = folder / f"{port}.log"
    with path.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    running = Served(process, f"http://127.0.0.1:{port}", environment, path)
    try:
        wait_until_ready(running)
        yield running
    finally:
        if process.poll() is None:
            running.kill_all()


class Load:
    """Open loop: each request leaves when it is due, however many are still unanswered."""

    def __init__(self, base: str, *, rate: int, seconds: float) -> None:
        self._base, self._rate, self._number = base, rate, int(rate * seconds)
        self._calls: list[Call] = []
        self._ended = asyncio.Event()
        self._sending = asyncio.create_task(self._send())

    async def answers(self, number: int) -> None:
        """Wait until so many are answered."""
        while self._answered() < number and not self._sending.done():
            await asyncio.sleep(_BEAT_S)

    async def more(self, number: int) -> None:
        """Wait until so many more are answered."""
        await self.answers(self._answered() + number)

    async def calls(self) -> list[Call]:
        """All of them, when each has its answer or a broken connection."""
        await self._sending
        return self._calls

    async def end(self) -> list[Call]:
        """Send no more; those that were sent."""
        self._ended.set()
        return await self.calls()

    async def _send(self) -> None:
        started = time.monotonic()
        async with (
            _Connections(self._base) as http,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(self._number):
                await asyncio.sleep(started + number / self._rate - time.monotonic())
                if self._ended.is_set():
                    return
                tasks.create_task(self._keep(http))

    def _answered(self) -> int:
        return sum(call.status is not None for call in self._calls)

    async def _keep(self, http: "_Connections") -> None:
        self._calls.append(await _call(http))


def _is_worker(process: psutil.Process) -> bool:
    """Not uvicorn's resource tracker, nor a dead one that is still to be waited for."""
    with suppress(psutil.NoSuchProcess):
        return "spawn_main" in " ".join(process.cmdline())
    return False


def answered(calls: Collection[Call]) -> set[str]:
    """The calls that were acknowledged."""
    return {call.instance for call in calls if call.status == 200}


async def stored(url: str) -> set[str]:
    """The calls whose row is in the database."""
    store = opened(url)
    async with store.engine.connect() as connection:
        rows = await connection.scalars(select(ASSESSMENT.c.hook_instance))
        found = set(rows)
    await store.close()
    return found


class _Connections:
    """The least of an HTTP client, kept alive: the machine's time is for the service."""

    def __init__(self, base: str) -> None:
        self._host, self._port = base.removeprefix("http://").split(":")
        self._idle: list[_Connection] = []

    async def post(self, path: str, body: bytes) -> tuple[int, bytes] | None:
        """Status and body; None where the connection broke."""
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-length: {len(body)}\r\n\r\n"
        connection: _Connection | None = None
        try:
            connection = await self._connection()
            answer = await connection.exchange(head.encode() + body)
        except (OSError, EOFError):
            if connection:
                connection.writer.close()
            return None
        self._idle.append(connection)
        return answer

    async def _connection(self) -> "_Connection":
        while self._idle:
            kept = self._idle.pop()
            if not kept.reader.at_eof():
                return kept
            kept.writer.close()
        return _Connection(*await asyncio.open_connection(self._host, self._port))

    async def __aenter__(self) -> "_Connections":
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._idle:
            each.writer.close()
            with suppress(OSError):
                await each.writer.wait_closed()


@dataclass(frozen=True)
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def exchange(self, request: bytes) -> tuple[int, bytes]:
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        (length,) = _LENGTH.findall(head)
        return int(head[9:12]), await self.reader.readexactly(int(length))


class _Answer(msgspec.Struct):
    cards: list[msgspec.Raw]


async def _call(http: _Connections) -> Call:
    instance, started = str(uuid.uuid4()), time.monotonic()
    answer = await http.post(URL, _body(instance))
    seconds = time.monotonic() - started
    if answer is None:
        return Call(instance, None, 0, seconds)
    status, body = answer
    cards = len(msgspec.json.decode(body, type=_Answer).cards) if status == 200 else 0
    return Call(instance, status, cards, seconds)


def _body(instance: str) -> bytes:
    """The example as a patient and a stay of its own."""
    head, tail = (
        f'"hookInstance":"{instance}",'.encode(),
        _TEMPLATE.replace(_PERSON, instance.encode()),
    )
    return b"{" + head + tail


def _template() -> bytes:
    request = json.loads((EXAMPLES / f"{_EXAMPLE}.json").read_bytes())
    del request["hookInstance"]
    return json.dumps(request, separators=(",", ":")).encode()[1:]


_TEMPLATE, _PERSON = _template(), _EXAMPLE.encode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_ready(running: Served) -> None:
    """Until it says so itself. Raises RuntimeError where it ends first, or never does."""
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and running.process.poll() is None:
        try:
            if httpx.get(f"{running.base}/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"no answer from {running.base}")
