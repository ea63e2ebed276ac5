"""A hospital's EHR as the service sees it: keys, a key set on a real socket, and a token for every call.

`async with trusting(folder, ehr) as http` serves in this process; `ehr.auth()` is an httpx.Auth that
signs each request anew, for calls to a service in another process.
"""

import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from cds_service.app import create_app
from cds_service.settings import READMISSION, Settings
from tests.service.patients import NOW, URL, Json, call, database

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "https://readmit.example"
STORAGE_KEY = "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMhISE="
DISCOVERY = "/cds-services"
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}


def signing_key(key_id: str = "key-1", algorithm: str = "ES384") -> Key:
    """A new private key, named, for one algorithm."""
    named: Any = {"kid": key_id, "use": "sig", "alg": algorithm}
    if algorithm in CURVES:
        return ECKey.generate_key(CURVES[algorithm], named)
    return RSAKey.generate_key(2048, named)


def compact(header: Any, claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """A token of any header and claims; bytes stand for themselves. No library would make some."""
    parts = [
        each if isinstance(each, bytes) else json.dumps(each).encode() for each in (header, claims)
    ]
    signed = b".".join(map(urlsafe_b64encode, parts))
    return (signed + b"." + urlsafe_b64encode(sign(signed))).decode()


def signing(key: Key, algorithm: str | None = None) -> Callable[[bytes], bytes]:
    """How a key signs, with an algorithm that may not be its own."""
    name = algorithm or str(key.get("alg"))
    return lambda message: JWSRegistry.algorithms[name].sign(message, key)


def public(*keys: Key) -> bytes:
    """The key set that a client publishes."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class KeyServer:
    """A server of key sets on loopback. What it answers can be changed; what it was asked is kept."""

    address: str = ""
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    answers: bool = True
    asked: list[str] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)

    def reply(self, to: BaseHTTPRequestHandler) -> None:
        self.asked.append(to.path)
        if not self.answers:
            self.stopped.wait(30)
            return
        to.send_response(self.status)
        for name, value in self.headers.items():
            to.send_header(name, value)
        to.send_header("Content-Length", str(len(self.body)))
        to.end_headers()
        to.wfile.write(self.body)


@contextmanager
def key_server(*keys: Key) -> Iterator[KeyServer]:
    """A key server that publishes these keys."""
    kept = KeyServer(body=public(*keys))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.reply(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.address = f"http://127.0.0.1:{server.server_address[1]}/jwks"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kept
        finally:
            kept.stopped.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Ehr:
    """A client: who it says it is, the key it signs with, and where that key is published."""

    name: str
    iss: str
    key: Key
    jku: str | None
    now: Callable[[], datetime] = lambda: NOW
    public_url: str = PUBLIC
    choices: Mapping[str, Any] = field(default_factory=dict)

    def header(self, **other: Any) -> Json:
        said = {"alg": self.key.get("alg"), "typ": "JWT", "kid": self.key.kid, "jku": self.jku}
        return {name: value for name, value in (said | other).items() if value is not None}

    def claims(self, path: str = DISCOVERY, **other: Any) -> Json:
        issued = int(self.now().timestamp())
        said = {
            "iss": self.iss,
            "aud": self.public_url + path,
            "iat": issued,
            "exp": issued + 60,
            "jti": uuid.uuid4().hex,
        }
        return {name: value for name, value in (said | other).items() if value is not None}

    def token(self, path: str = DISCOVERY, *, header: Json | None = None, **claims: Any) -> str:
        """A token for one call; members of header and claims may be replaced, or None to leave out."""
        told, said = self.header(**(header or {})), self.claims(path, **claims)
        return compact(told, said, signing(self.key))

    def authorization(self, path: str = DISCOVERY, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(path, **claims)}"}

    def auth(self) -> "SignedAnew":
        """For an httpx client: a token of its own for each request."""
        return SignedAnew(self)

    def entry(self) -> str:
        """Its `[[tenant]]` in the tenants file."""
        fields = {"name": self.name, "iss": self.iss, "jku": self.jku} | self.choices
        lines = [
            f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None
        ]
        return "\n".join(["[[tenant]]", *lines, ""])


@dataclass(frozen=True)
class SignedAnew(httpx.Auth):
    """Signs every request with a new token."""

    ehr: Ehr

    def auth_flow(self, request: httpx.Request) -> Iterator[httpx.Request]:  # type: ignore[override]
        request.headers.update(self.ehr.authorization(request.url.path))
        yield request


def system_now() -> datetime:
    """For services in other processes, which have the system's clock."""
    return datetime.now(UTC)  # noqa: TID251


def tenants_file(folder: Path, *ehrs: Ehr) -> Path:
    file = folder / "tenants.toml"
    file.write_text("\n".join(ehr.entry() for ehr in ehrs))
    return file


def trusting_settings(folder: Path, *ehrs: Ehr, **other: Any) -> Settings:
    """Settings of a service that trusts these clients and nobody else."""
    chosen: dict[str, Any] = {
        "tenants": tenants_file(folder, *ehrs),
        "public_url": PUBLIC,
        "storage_keys": (STORAGE_KEY,),
        "database": database(folder),
        "bundles": {READMISSION: ROOT / "bundles" / "lace-hospital"},
    }
    return Settings(**(chosen | other))


@asynccontextmanager
async def trusting(
    folder: Path, *ehrs: Ehr, clock: Callable[[], datetime] = lambda: NOW, **other: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a service in this process that trusts these EHRs; it sends no token by itself."""
    app = create_app(trusting_settings(folder, *ehrs, **other), clock=clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as http:
            yield http


FEEDBACK: Json = {
    "feedback": [
        {
            "card": "4e0a3a1e-3283-4575-ab82-028d55fe2719",
            "outcome": "overridden",
            "outcomeTimestamp": "2026-11-21T11:59:00Z",
        }
    ]
}
CALLS: tuple[tuple[str, str, Json | None], ...] = (
    ("GET", DISCOVERY, None),
    ("POST", URL, call()),
    ("POST", f"{URL}/feedback", FEEDBACK),
)
"""All that the service answers to a trusted client."""
