"""What the routes are given: the service's state, the body, and the one clock of the product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, cast

import httpx
from fastapi import Depends, Request

from cds_service.errors import BodyTooLargeError, UnsupportedEncodingError
from cds_service.services import Offered
from cds_service.settings import Settings
from cds_service.storage.store import Store
from cds_service.tenants import Tenant

Clock = Callable[[], datetime]


@dataclass(frozen=True)
class ServiceState:
    """Built once at start; the same for every call."""

    settings: Settings
    tenants: tuple[Tenant, ...]
    services: Mapping[str, Offered]
    store: Store
    clock: Clock


def system_clock() -> datetime:
    """Now, aware, UTC. Everything below takes time as an argument."""
    return datetime.now(UTC)


def _state(request: Request) -> ServiceState:
    return cast("ServiceState", request.app.state.service)


async def _body(request: Request) -> bytes:
    """The whole body, refused as soon as it is too long."""
    limit = _state(request).settings.max_body_bytes
    if request.headers.get("content-encoding", "identity") != "identity":
        raise UnsupportedEncodingError(
            "request body", "compressed.", "Send it without Content-Encoding."
        )
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated) > limit:
        raise _too_large(limit)
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > limit:
            raise _too_large(limit)
    return bytes(received)


def _too_large(limit: int) -> BodyTooLargeError:
    remedy = "Send less, or raise READMIT_MAX_BODY_BYTES."
    return BodyTooLargeError("request body", f"more than {limit} bytes.", remedy)


def _client(request: Request) -> Tenant:
    """The tenant on whose behalf the call is made."""
    return _state(request).tenants[0]


def _fhir_client(request: Request) -> httpx.AsyncClient:
    """The process's one client for FHIR servers, opened at start."""
    return cast("httpx.AsyncClient", request.app.state.fhir_client)


State = Annotated[ServiceState, Depends(_state)]
Body = Annotated[bytes, Depends(_body)]
Client = Annotated[Tenant, Depends(_client)]
FhirClient = Annotated[httpx.AsyncClient, Depends(_fhir_client)]
