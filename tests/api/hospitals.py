"""Hospitals whose own authorization servers give access tokens, and the service that they read from."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs

import httpx
from joserfc.jwk import Key

from cds_service.app import create_app
from cds_service.storage.store import Store
from tests.security.clients import (
    PUBLIC,
    Ehr,
    compact,
    signing,
    signing_key,
    trusting_settings,
)
from tests.service.patients import NOW, Json

AUDIENCE = "https://readmit.example/read"
SYSTEM = "system/RiskAssessment.rs"


@dataclass(frozen=True)
class Hospital(Ehr):
    """A tenant with `[tenant.api]`: fields of it beside those of the client."""

    api: Mapping[str, str] = field(default_factory=dict)
    signer: Key = field(default_factory=lambda: signing_key("as-1"))

    def entry(self) -> str:
        """Its `[[tenant]]` with the table `api`."""
        lines = [f"{name} = {json.dumps(value)}" for name, value in self.api.items()]
        return "\n".join([super().entry(), "[tenant.api]", *lines, ""])

    def access_token(
        self, scope: str = SYSTEM, *, header: Json | None = None, **claims: Any
    ) -> str:
        """As its authorization server signs them; members may be replaced, None leaves one out."""
        now = int(self.now().timestamp())
        said = {
            "iss": self.api["issuer"],
            "aud": self.api["audience"],
            "sub": "bulk-reader",
            "client_id": "bulk-reader",
            "iat": now,
            "exp": now + 300,
            "jti": "t",
            "scope": scope,
        } | claims
        told = {"alg": self.signer.get("alg"), "typ": "at+jwt", "kid": self.signer.kid}
        kept = {name: value for name, value in said.items() if value is not None}
        told = {n: v for n, v in (told | (header or {})).items() if v is not None}
        return compact(told, kept, signing(self.signer))

    def bearer(self, scope: str = SYSTEM, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access_token(scope, **claims)}"}


def hospital(name: str, jwks: str, signer: Key, **choices: Any) -> Hospital:
    """Its client's keys are not used here."""
    api = {
        "issuer": f"https://as.{name}.example",
        "audience": AUDIENCE,
        "jwks_uri": jwks,
    }
    iss, jku = f"https://{name}.example", f"https://{name}.example/jwks"
    return Hospital(name, iss, signer, jku, choices=choices, api=api, signer=signer)


def introspecting(name: str, address: str, folder: Path, signer: Key, **choices: Any) -> Hospital:
    """Its tokens are opaque."""
    (folder / "secret").write_text("s3 cret:%\n")
    api = {
        "issuer": f"https://as.{name}.example",
        "audience": AUDIENCE,
        "introspection": address,
        "client_id": "read mit",
        "secret_file": "secret",
    }
    iss, jku = f"https://{name}.example", f"https://{name}.example/jwks"
    return Hospital(name, iss, signer, jku, choices=choices, api=api, signer=signer)


@dataclass
class Introspector:
    """An introspection endpoint on loopback: what it answers by token, and how it was asked."""

    address: str = ""
    tokens: dict[str, Json] = field(default_factory=dict)
    status: int = 200
    body: bytes | None = None
    answers: bool = True
    asked: list[tuple[str, dict[str, list[str]], str]] = field(default_factory=list)
    stopped: Event = field(default_factory=Event)

    def reply(self, to: BaseHTTPRequestHandler) -> None:
        length = int(to.headers["Content-Length"])
        form = parse_qs(to.rfile.read(length).decode())
        self.asked.append((to.path, form, to.headers["Authorization"]))
        if not self.answers:
            self.stopped.wait(30)
            return
        said = self.tokens.get(form["token"][0], {"active": False})
        body = json.dumps(said).encode() if self.body is None else self.body
        to.send_response(self.status)
        to.send_header("Content-Length", str(len(body)))
        to.end_headers()
        to.wfile.write(body)


@contextmanager
def introspector() -> Iterator[Introspector]:
    kept = Introspector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.reply(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept.address = f"http://127.0.0.1:{server.server_address[1]}/introspect"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield kept
        finally:
            kept.stopped.set()
            server.shutdown()
            thread.join()


@dataclass(frozen=True)
class Service:
    """The service in this process, and its store to put rows into."""

    http: httpx.AsyncClient
    store: Store

    async def get(self, path: str, headers: dict[str, str], **query: str) -> httpx.Response:
        return await self.http.get(path, headers=headers, params=query or None)


@asynccontextmanager
async def reading(
    folder: Path, *hospitals: Ehr, clock: Callable[[], Any] = lambda: NOW, **other: Any
) -> AsyncIterator[Service]:
    """A service that these hospitals may read from."""
    app = create_app(trusting_settings(folder, *hospitals, **other), clock=clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=PUBLIC) as http:
            yield Service(http, app.state.service.store)
