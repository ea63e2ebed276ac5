"""The first half of signing in: from the EHR's launch, or alone, to the authorization server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from cds_service.observability import note
from cds_service.smart.app import Server, SmartApp
from cds_service.smart.cookies import launch_cookie
from cds_service.smart.discovery import SmartConfiguration
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.scopes import Kind, asked_for
from cds_service.smart.session import new_secret
from cds_service.tenants import Tenant

LASTS: Final = timedelta(minutes=10)


class Begun(msgspec.Struct, frozen=True):
    """What is sealed of a sign-in. `iss` as the tenants file writes it."""

    iss: str
    kind: Kind
    scope: str
    verifier: str
    nonce: str

    def __repr__(self) -> str:
        """Says nothing."""
        return "Begun(...)"


@dataclass(frozen=True)
class Redirected:
    """Where the browser goes, and the cookie it takes along."""

    location: str = field(repr=False)
    cookie: str = field(repr=False)


def server_named(app: SmartApp, iss: str) -> Server:
    """The listed server of that address; no other is asked anything. Raises SmartProblemError."""
    server = app.server(iss)
    if server is None:
        raise SmartProblemError("server_unknown")
    note(tenant=server.tenant.name)
    return server


@contextmanager
def shown_to(tenant: Tenant) -> Iterator[None]:
    """Whose pages may frame the page of a problem that comes up within."""
    try:
        yield
    except SmartProblemError as problem:
        problem.tenant = problem.tenant or tenant
        raise


async def begin(
    app: SmartApp, server: Server, *, kind: Kind, iss: str, launch: str | None, now: datetime
) -> Redirected:
    """Keep what the callback needs, and say where the user signs in. `iss`: as the launch wrote it,
    for the server compares `aud` with it; `launch` None: it was not launched by an EHR.
    Raises SmartProblemError."""
    with shown_to(server.tenant):
        endpoints = await app.discovery.of(server.base, now=now)
    scope = asked_for(kind, app.types_for(kind), endpoints, in_ehr=launch is not None)
    begun = Begun(
        server.base, kind, scope, verifier=new_secret() + new_secret(), nonce=new_secret()
    )
    state, browser = new_secret(), new_secret()
    await app.sessions.begin(
        state, browser, server.tenant.name, begun, expires_at=now + LASTS, now=now
    )
    cookie = launch_cookie(app.address, state, browser, seconds=int(LASTS.total_seconds()))
    return Redirected(_address(app, server, endpoints, begun, state, iss, launch), cookie)


def _address(
    app: SmartApp,
    server: Server,
    endpoints: SmartConfiguration,
    begun: Begun,
    state: str,
    iss: str,
    launch: str | None,
) -> str:
    address: str = prepare_grant_uri(
        endpoints.authorization_endpoint,
        client_id=server.registration.client_id,
        response_type="code",
        redirect_uri=app.callback,
        scope=begun.scope,
        state=state,
        aud=iss,
        launch=launch,
        nonce=begun.nonce,
        code_challenge=create_s256_code_challenge(begun.verifier),
        code_challenge_method="S256",
    )
    return address
