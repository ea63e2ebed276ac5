"""One export against the fake bulk server, without waiting: pauses are written down and move the clock."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.backend import BackendTokens, Registered
from cds_service.batch.sources.bulk.export import TYPES, arrive_by_export
from cds_service.fhir_server import outgoing_client
from tests.batch.bulk_server.state import FakeBulk
from tests.security.clients import signing_key

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLIENT_ID = "readmit-batch"


@dataclass
class Time:
    """A clock that only pauses move, and a listener that keeps what it is told."""

    now: datetime = NOW
    pauses: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __call__(self) -> datetime:
        return self.now

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += timedelta(seconds=seconds)

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        self.said.append(what)


def registration(server: FakeBulk, algorithm: str = "ES384", **how: Any) -> Registered:
    """Registered at the server, with a new key."""
    key = signing_key("batch-key", algorithm)
    server.register(CLIENT_ID, {"keys": [key.as_dict(private=False)]})
    return Registered(CLIENT_ID, algorithm, key, **how)


@dataclass
class Exporting:
    """A server, a time, a folder, and how batch is registered."""

    server: FakeBulk
    folder: Path
    time: Time = field(default_factory=Time)
    registered: Registered | None = None
    transport: httpx.AsyncBaseTransport | None = None

    async def arrive(self, level: str = "/$export", **how: Any) -> Arrived:
        """A call as one process makes it: its own client, its own tokens."""
        http = outgoing_client()
        if self.transport:
            http = httpx.AsyncClient(transport=self.transport, follow_redirects=False)
        async with http:
            tokens = self.registered and BackendTokens(
                http,
                self.server.base,
                self.registered,
                reads=how.get("types", TYPES),
                clock=self.time,
                pause=self.time.pause,
            )
            return await arrive_by_export(
                f"{self.server.base}{level}",
                folder=self.folder,
                http=http,
                clock=self.time,
                tokens=tokens,
                progress=self.time,
                pause=self.time.pause,
                **how,
            )
