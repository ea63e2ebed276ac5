"""What the routes are given: the service's state, the body, and the one clock of the product."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, cast

import httpx
from anyio import CapacityLimiter
from fastapi import Depends, Request

from cds_service.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    UnknownServiceError,
    UnsupportedEncodingError,
)
from cds_service.services import Offered
from cds_service.settings import Settings
from cds_service.smart.app import SmartApp
from cds_service.storage.store import Store
from cds_service.tenants import Tenant
from cds_service.trust.clients import Clients

_AT_ONCE = 2
"""Assessments in threads: more would share one interpreter and all be late together."""
BODY_S = 30
"""How long a body may take: a client that lost power in the middle never says so."""
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class ServiceState:
    """Built once at start; the same for every call."""

    settings: Settings
    tenants: tuple[Tenant, ...]
    services: Mapping[str, Offered]
    store: Store
    http: httpx.AsyncClient
    clients: Clients
    smart: SmartApp
    clock: Clock
    assessing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(_AT_ONCE))

    def service(self, service_id: str) -> Offered:
        """The service of that id. Raises UnknownServiceError."""
        found = self.services.get(service_id)
        if found is None:
            offered = f"This service offers {', '.join(self.services)}."
            raise UnknownServiceError("path", "no service of that id.", offered)
        return found


def system_clock() -> datetime:
    """Now, aware, UTC. Everything below takes time as an argument."""
    return datetime.now(UTC)


async def _new_id() -> str:
    """An id that says nothing: it leaves the service in links and exports."""
    return str(uuid.uuid4())


async def _state(request: Request) -> ServiceState:
    # async like all that is given here: what is not FastAPI hands to a thread
    return cast("ServiceState", request.app.state.service)


State = Annotated[ServiceState, Depends(_state)]


async def _client(request: Request, state: State) -> Tenant:
    """The tenant on whose behalf the call is made."""
    path: str = request.scope["path"]  # not of request.url: that rests on the Host header
    return await state.clients.tenant(
        request.headers.getlist("authorization"), path=path, now=state.clock()
    )


Client = Annotated[Tenant, Depends(_client)]


async def _body(request: Request, state: State, _trusted: Client) -> bytes:
    """The whole body, refused as soon as it is too long; only a trusted client's is read at all."""
    limit = state.settings.max_body_bytes
    return await limited_body(request, limit, remedy="Send less, or raise READMIT_MAX_BODY_BYTES.")


async def limited_body(request: Request, limit: int, *, remedy: str = "Send less.") -> bytes:
    """The whole body. Raises BodyTooLargeError, BodyTooSlowError or UnsupportedEncodingError."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedEncodingError(
            "request body", "compressed.", "Send it without Content-Encoding."
        )
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limit:
        raise _too_large(limit, remedy)
    received = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                received += chunk
                if len(received) > limit:
                    raise _too_large(limit, remedy)
    except TimeoutError:
        slow = f"not there after {BODY_S} seconds."
        raise BodyTooSlowError("request body", slow, "Send it again.") from None
    return bytes(received)


def _too_large(limit: int, remedy: str) -> BodyTooLargeError:
    return BodyTooLargeError("request body", f"more than {limit} bytes.", remedy)


Body = Annotated[bytes, Depends(_body)]
NewId = Annotated[str, Depends(_new_id)]
