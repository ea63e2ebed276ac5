"""The fake bulk server on a port of loopback, in a thread.

with fake_bulk() as server:
    server.faults.polls = 3
    ... arrive_by_export(f"{server.base}/$export", ...)
"""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from tests.batch.bulk_server import export, files, searching, tokens
from tests.batch.bulk_server.state import FakeBulk

STOPPED_S = 30.0
Fake = TypeVar("Fake", bound=FakeBulk)


def application(server: FakeBulk, more: Sequence[Route] = ()) -> Starlette:
    """The ASGI app; `more`: what another kind of server answers in place of this."""
    both = ["GET", "POST"]
    app = Starlette(
        routes=[
            Route("/fhir/.well-known/smart-configuration", tokens.configuration),
            Route("/auth/token", tokens.token, methods=["POST"]),
            *more,
            Route("/fhir/$export", export.kick_off, methods=both),
            Route("/fhir/Patient/$export", export.kick_off, methods=both),
            Route("/fhir/Group/{group}/$export", export.kick_off, methods=both),
            Route("/fhir/Group/{group}", export.group),
            Route("/fhir/metadata", searching.metadata),
            Route("/fhir/{kind}", searching.search),
            Route("/fhir/{kind}/{name}", searching.read),
            Route("/jobs/{job}", export.status),
            Route("/jobs/{job}", export.delete, methods=["DELETE"]),
            Route("/files/{job}/{name}", files.file),
            Route("/moved/{rest:path}", files.moved),
        ]
    )
    app.state.server = server
    return app


@contextmanager
def fake_bulk(**fields: Any) -> Iterator[FakeBulk]:
    """A running server."""
    with running(FakeBulk, (), **fields) as server:
        yield server


@contextmanager
def running(kind: type[Fake], more: Sequence[Route], **fields: Any) -> Iterator[Fake]:
    """A running server of that kind, with its own routes."""
    with socket.socket(proto=socket.IPPROTO_TCP) as line:  # else answers wait for acknowledgements
        line.bind(("127.0.0.1", 0))
        line.listen()  # who comes before the server runs waits, and is not refused
        server = kind(f"http://127.0.0.1:{line.getsockname()[1]}", **fields)
        config = uvicorn.Config(
            application(server, more),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            date_header=False,
        )
        serving = uvicorn.Server(config)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [line]})
        thread.start()
        try:
            yield server
        finally:
            serving.should_exit = serving.force_exit = True
            thread.join(STOPPED_S)
