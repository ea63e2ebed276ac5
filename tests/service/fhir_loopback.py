"""A FHIR server on loopback that answers as a request's prefetch says, and fails where it is told to.

Real sockets: what is tested is what a server at the other end of one can do to us.
"""

import asyncio
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import uvicorn

from cds_service.app import create_app
from cds_service.settings import Settings
from cds_service.trust.clients import ThisMachine
from tests.service.patients import PATIENT, Json, authorization, call, database, now

Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Reply = Callable[[Receive, Send], Awaitable[None]]
FHIR = "application/fhir+json"
STARTED_S = 30.0


@dataclass(frozen=True)
class Asked:
    """One request as it came in: the prefetch key that it asks for, and when."""

    key: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    at: float

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "")


def reply(status: int, body: Any, *, kind: str = FHIR, **headers: str) -> Reply:
    """A whole answer; `body` is written as JSON unless it is bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"content-type": kind, "set-cookie": "session=of-somebody; Path=/", **headers}

    async def answer(_: Receive, send: Send) -> None:
        await send(_start(status, lines))
        await send({"type": "http.response.body", "body": content})

    return answer


async def hang(receive: Receive, _: Send) -> None:
    """Say nothing until the other side has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def drip(receive: Receive, send: Send) -> None:
    """One byte after the other, without end."""
    await send(_start(200, {"content-type": FHIR}))
    gone = asyncio.ensure_future(hang(receive, send))
    while not gone.done():
        await send({"type": "http.response.body", "body": b" ", "more_body": True})
        await asyncio.wait([gone], timeout=0.02)


async def cut_off(_: Receive, send: Send) -> None:
    """Fewer bytes than were announced, and the end of the connection."""
    await send(_start(200, {"content-type": FHIR, "content-length": "5000"}))
    await send({"type": "http.response.body", "body": b'{"resourceType"', "more_body": True})
    raise ConnectionResetError


def _start(status: int, headers: Mapping[str, str]) -> Json:
    lines = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": lines}


@dataclass
class FhirFake:
    """One server: `record` by prefetch key; `faults` by key, each answer of a list once."""

    base: str
    record: Json
    faults: dict[str, list[Reply]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def of(self, key: str) -> list[Asked]:
        return [each for each in self.asked if each.key == key]

    def answer_to(self, path: str, query: str, headers: Mapping[str, str]) -> Reply:
        parameters = parse_qs(query)
        key = _key(path, parameters)
        self.asked.append(Asked(key, path, parameters, headers, time.monotonic()))
        if self.faults.get(key):
            faults = self.faults[key]
            return faults[0] if len(faults) == 1 else faults.pop(0)
        if key not in self.record:
            return reply(404, {"resourceType": "OperationOutcome"})
        found = self.record[key]
        return reply(200, EMPTY if found is None else found)


EMPTY: Json = {"resourceType": "Bundle", "type": "searchset", "total": 0}
ENDLESS = 1000
"""More than any test repeats a fault."""
_KEYS = {
    "Condition": "conditions",
    "Observation": "observations",
    "Procedure": "procedures",
    "Coverage": "coverages",
    "MedicationRequest": "medication_requests",
    "MedicationStatement": "medication_statements",
    "MedicationAdministration": "medication_administrations",
    "MedicationDispense": "medication_dispenses",
}


def _key(path: str, query: Mapping[str, list[str]]) -> str:
    kind, _, name = path.lstrip("/").partition("/")
    if name:
        return kind.lower()
    if kind == "Encounter":
        return "locations" if "_include" in query else "encounters"
    return query.get("key", [_KEYS.get(kind, path)])[0]


class Loopback:
    """Every fake server of a test run behind one port, each under a base of its own."""

    def __init__(self, port: int) -> None:
        self._numbers = count()
        self._servers: dict[str, FhirFake] = {}
        self.origin = f"http://127.0.0.1:{port}"

    def serve(self, record: Json | None = None) -> FhirFake:
        name = f"site-{next(self._numbers)}"
        whole = record if record is not None else call()["prefetch"]
        made = FhirFake(f"{self.origin}/{name}/fhir", dict(whole))
        self._servers[name] = made
        return made

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        _, name, _, path = scope["path"].split("/", 3)
        headers = {key.decode(): text.decode() for key, text in scope["headers"]}
        query = scope["query_string"].decode()
        answer = self._servers[name].answer_to(path, query, headers)
        try:
            await answer(receive, send)
        except ConnectionResetError:
            return


@contextmanager
def loopback() -> Iterator[Loopback]:
    """The port, answered by a thread of its own."""
    with socket.socket(proto=socket.IPPROTO_TCP) as line:  # else answers wait for acknowledgements
        line.bind(("127.0.0.1", 0))
        line.listen()  # who comes before the server runs waits, and is not refused
        app = Loopback(line.getsockname()[1])
        config = uvicorn.Config(app, lifespan="off", ws="none", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [line]})
        thread.start()
        try:
            yield app
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(STARTED_S)


@asynccontextmanager
async def reading(folder: Path, *servers: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service whose one tenant lists these FHIR servers."""
    chosen = {"database": database(folder), "fhir_budget_s": 20.0, "dev": True} | settings
    app = create_app(Settings(**chosen), clock=now)
    state = app.state.service
    tenant = state.tenants[0].model_copy(update={"fhir_servers": servers})
    app.state.service = replace(state, tenants=(tenant,), clients=ThisMachine(tenant))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield http


def asking(fake: FhirFake, *, token: str = "", **prefetch: Any) -> Json:
    """A request that sends only this prefetch and names the server, with a token."""
    request = call()
    request["prefetch"] = prefetch
    named = {"fhirServer": fake.base}
    if token:
        named["fhirAuthorization"] = authorization(token, patient=PATIENT)
    return request | named
