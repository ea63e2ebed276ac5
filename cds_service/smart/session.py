"""A signed-in user of the SMART app: what a page may know of it, what is sealed, and how long it lasts."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Final

import msgspec
from fastapi import Depends, Request

from cds_service.dependencies import ServiceState, State
from cds_service.observability import note
from cds_service.smart.app import SmartApp
from cds_service.smart.cookies import SESSION
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.scopes import Kind
from cds_service.storage.sessions import StoredSession
from cds_service.tenants import Tenant

IDLE: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=8)
_PUT_OFF_AFTER: Final = timedelta(minutes=1)
"""Use is written down no more often than this."""


@dataclass(frozen=True)
class AppSession:
    """Somebody who signed in, and for what. Tokens are not in it: cds_service/smart/access.py."""

    id: str
    tenant: Tenant
    iss: str
    kind: Kind
    patient_id: str | None = field(repr=False)
    encounter_id: str | None = field(repr=False)
    fhir_user: str | None = field(repr=False)
    app_context: str | None
    granted: frozenset[str]
    narrowed: frozenset[str]
    denied: tuple[str, ...]
    needs_banner: bool
    csrf: str = field(repr=False)


class Tokens(msgspec.Struct, frozen=True):
    """What the authorization server gave. `expires_at`: seconds since 1970, None where it does not
    say."""

    access: str
    expires_at: float | None
    refresh: str | None

    def __repr__(self) -> str:
        """Says nothing."""
        return "Tokens(...)"


class Held(msgspec.Struct, frozen=True):
    """What is sealed of a session. `iss` as the tenants file writes it."""

    iss: str
    kind: Kind
    patient_id: str | None
    encounter_id: str | None
    fhir_user: str | None
    app_context: str | None
    granted: tuple[str, ...]
    narrowed: tuple[str, ...]
    denied: tuple[str, ...]
    needs_banner: bool
    csrf: str
    tokens: Tokens

    def __repr__(self) -> str:
        """Says nothing of the patient."""
        return "Held(...)"


def new_secret() -> str:
    """256 random bits, as text that needs no escaping in an address or a cookie."""
    return secrets.token_urlsafe(32)


async def open_session(
    app: SmartApp, tenant: Tenant, held: Held, *, now: datetime
) -> tuple[str, str]:
    """Begin a session; its public id and its cookie's secret."""
    session_id, secret = secrets.token_urlsafe(16), new_secret()
    await app.sessions.open(session_id, secret, tenant.name, held, ends_at=_end(now, now), now=now)
    return session_id, secret


def held(stored: StoredSession) -> Held:
    """What a stored session holds. Raises SmartProblemError for one of another version of the
    service: it has ended with that."""
    try:
        return msgspec.convert(stored.contents, Held)
    except msgspec.ValidationError:
        raise SmartProblemError("session_ended") from None


async def session_of(session_id: str, secret: str, state: ServiceState) -> AppSession:
    """Whose request this is, by the id in its path and the cookie. Raises SmartProblemError."""
    now = state.clock()
    stored = await state.smart.sessions.find(session_id, secret=secret, now=now)
    tenant = _tenant(state, stored) if stored else None
    if stored is None or tenant is None:
        raise SmartProblemError("session_ended")
    end = _end(stored.created_at, now)
    if end - stored.ends_at > _PUT_OFF_AFTER:
        await state.smart.sessions.put_off(session_id, ends_at=end)
    note(tenant=tenant.name)
    return _session(session_id, tenant, held(stored))


async def _dependency(request: Request, sid: str, state: State) -> AppSession:
    return await session_of(sid, request.cookies.get(SESSION, ""), state)


async def _patient_dependency(session: Annotated[AppSession, Depends(_dependency)]) -> AppSession:
    if session.kind != "patient":
        raise SmartProblemError("worklist_only", tenant=session.tenant)
    return session


async def _worklist_dependency(session: Annotated[AppSession, Depends(_dependency)]) -> AppSession:
    if session.kind != "worklist":
        raise SmartProblemError("patient_only", tenant=session.tenant)
    return session


Session = Annotated[AppSession, Depends(_dependency)]
"""Of either kind; the route is of a router with the prefix /smart/s/{sid}."""
PatientSession = Annotated[AppSession, Depends(_patient_dependency)]
"""Of one patient: `patient_id` is not None. The worklist gets 403."""
WorklistSession = Annotated[AppSession, Depends(_worklist_dependency)]
"""A care manager's. A session of one patient gets 403."""


def _end(created: datetime, used: datetime) -> datetime:
    return min(created + LONGEST, used + IDLE)


def _tenant(state: ServiceState, stored: StoredSession) -> Tenant | None:
    """None where the tenants file no longer has it, or no longer this server."""
    iss = held(stored).iss
    server = next((each for each in state.smart.servers if each.base == iss), None)
    return server.tenant if server and server.tenant.name == stored.tenant else None


def _session(session_id: str, tenant: Tenant, kept: Held) -> AppSession:
    return AppSession(
        id=session_id,
        tenant=tenant,
        iss=kept.iss,
        kind=kept.kind,
        patient_id=kept.patient_id,
        encounter_id=kept.encounter_id,
        fhir_user=kept.fhir_user,
        app_context=kept.app_context,
        granted=frozenset(kept.granted),
        narrowed=frozenset(kept.narrowed),
        denied=kept.denied,
        needs_banner=kept.needs_banner,
        csrf=kept.csrf,
    )
