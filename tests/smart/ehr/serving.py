"""The fake EHR on a port of loopback, in a thread: our service and Chromium both reach it.

with fake_ehr() as ehr:
    ehr.register("readmit", "https://readmit.example/smart/callback")
    launch = ehr.launch(patient=PATIENT, encounter=ENCOUNTER, app_context=uuid)
    ... GET /smart/launch?iss={ehr.base}&launch={launch}
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from tests.smart.ehr import authorize, configuration, fhir, tokens
from tests.smart.ehr.state import FakeEhr, system_now

STOPPED_S = 30.0


def application(ehr: FakeEhr) -> Starlette:
    """The ASGI app, for a test that needs no socket."""
    app = Starlette(
        routes=[
            Route("/fhir/.well-known/smart-configuration", configuration.configuration),
            Route("/fhir/{kind}", fhir.find),
            Route("/fhir/{kind}/{name}", fhir.read),
            Route("/chart", authorize.chart),
            Route("/auth/jwks", configuration.jwks),
            Route("/auth/authorize", authorize.authorize, methods=["GET", "POST"]),
            Route("/auth/decision", authorize.decide, methods=["POST"]),
            Route("/auth/token", tokens.token, methods=["POST"]),
            Route("/auth/introspect", tokens.introspect, methods=["POST"]),
        ]
    )
    app.state.ehr = ehr
    return app


@contextmanager
def fake_ehr(
    *, host: str = "127.0.0.1", clock: Callable[[], datetime] = system_now, **fields: Any
) -> Iterator[FakeEhr]:
    """A running EHR; `host` is how it names itself: "localhost" makes it another site."""
    with socket.socket(proto=socket.IPPROTO_TCP) as line:  # else answers wait for acknowledgements
        line.bind(("127.0.0.1", 0))
        line.listen()  # who comes before the server runs waits, and is not refused
        ehr = FakeEhr(f"http://{host}:{line.getsockname()[1]}", clock=clock, **fields)
        config = uvicorn.Config(
            application(ehr), lifespan="off", ws="none", log_config=None, access_log=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [line]})
        thread.start()
        try:
            yield ehr
        finally:
            server.should_exit = server.force_exit = True
            thread.join(STOPPED_S)
