"""The access token of a session: as it is, or replaced in time. A refresh token is used by one caller
of all workers, once; what comes back for it is stored before it is used."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import anyio
import msgspec
from pydantic import SecretStr

from cds_service.dependencies import ServiceState
from cds_service.hooks.call import Renew
from cds_service.observability import note
from cds_service.smart.app import Server, SmartApp
from cds_service.smart.cookies import ended_cookie
from cds_service.smart.problems import Code, SmartProblemError
from cds_service.smart.reading import TIMEOUT_S, UnreadableError
from cds_service.smart.scopes import granted
from cds_service.smart.session import AppSession, Held, Tokens, held
from cds_service.smart.token_endpoint import Given, RefusedError, refresh, revoke
from cds_service.storage.sessions import StoredSession

_EARLY: Final = timedelta(seconds=60)
_CLAIMED: Final = timedelta(seconds=TIMEOUT_S + 7)
_POLLS: Final = 80
_POLL_S: Final = 0.1


async def access_token(
    session: AppSession, state: ServiceState, *, rejected: SecretStr | None = None
) -> SecretStr:
    """A token for the session's FHIR server, good for a minute where that can be had. `rejected`:
    the one that the server just answered 401 to. Raises SmartProblemError: `access_ended` when the
    session is over with it, `server_unavailable` when trying again may help."""
    for _ in range(_POLLS):
        now = state.clock()
        stored = await _stored(session, state, now)
        tokens = held(stored).tokens
        if _lasts(tokens, now + _EARLY) and not _is(tokens, rejected):
            return SecretStr(tokens.access)
        if tokens.refresh is None:
            return await _last_of(session, state, tokens, rejected=rejected)
        if await _claimed(session, state, stored, now):
            return await _renewed(session, state, stored, rejected=rejected)
        await anyio.sleep(_POLL_S)
    raise SmartProblemError("server_unavailable", tenant=session.tenant, refresh="claimed")


def renewing(session: AppSession, state: ServiceState) -> Renew:
    """For a token that ended before its time, as where somebody took it back. A session that is over
    with it is told so by its next page."""

    async def renew(rejected: SecretStr) -> SecretStr | None:
        try:
            return await access_token(session, state, rejected=rejected)
        except SmartProblemError as problem:
            note(renewal=problem.code)
            return None

    return renew


async def sign_out(session: AppSession, state: ServiceState) -> None:
    """End a session here, and its tokens at their server where that takes word of it."""
    now = state.clock()
    stored = await state.smart.sessions.find(session.id, now=now)
    await state.smart.sessions.end(session.id)
    tokens = held(stored).tokens if stored else None
    server = state.smart.server(session.iss)
    if tokens is None or server is None:
        return
    try:
        endpoints = await state.smart.discovery.of(session.iss, now=now)
        await revoke(state.smart, server, endpoints, tokens.refresh or tokens.access, now=now)
    except SmartProblemError:
        return  # its server does not answer: the tokens expire by themselves


def with_scopes(kept: Held, scope: str, types: Iterable[str]) -> Held:
    """What a session holds, where its token's scope is this."""
    now_granted = granted(scope, types, kept.kind)
    return msgspec.structs.replace(
        kept,
        granted=tuple(sorted(now_granted.whole)),
        narrowed=tuple(sorted(now_granted.narrowed)),
        denied=now_granted.denied,
    )


async def _stored(session: AppSession, state: ServiceState, now: datetime) -> StoredSession:
    stored = await state.smart.sessions.find(session.id, now=now)
    if stored is None:
        raise _over(session, state, "session_ended")
    return stored


async def _claimed(
    session: AppSession, state: ServiceState, stored: StoredSession, now: datetime
) -> bool:
    return await state.smart.sessions.claim(
        session.id, generation=stored.generation, until=now + _CLAIMED, now=now
    )


async def _last_of(
    session: AppSession, state: ServiceState, tokens: Tokens, *, rejected: SecretStr | None
) -> SecretStr:
    """A token that cannot be replaced is used to its end."""
    if _lasts(tokens, state.clock()) and not _is(tokens, rejected):
        return SecretStr(tokens.access)
    await state.smart.sessions.end(session.id)
    raise _over(session, state, "access_ended")


async def _renewed(
    session: AppSession,
    state: ServiceState,
    stored: StoredSession,
    *,
    rejected: SecretStr | None,
) -> SecretStr:
    """Under a claim. Not given up when the browser goes: the new refresh token would be lost."""
    kept, app = held(stored), state.smart
    with anyio.CancelScope(shield=True):
        try:
            given = await _refreshed(session, state, kept)
        except UnreadableError as why:
            await app.sessions.release(session.id)
            if _lasts(kept.tokens, state.clock()) and not _is(kept.tokens, rejected):
                return SecretStr(kept.tokens.access)
            raise SmartProblemError(
                "server_unavailable", tenant=session.tenant, refresh=str(why)
            ) from None
        except RefusedError as refused:
            await app.sessions.end(session.id)
            note(refresh=refused.code)
            raise _over(session, state, "access_ended") from None
        renewed = _replaced(kept, given, app)
        await app.sessions.renew(session.id, renewed, generation=stored.generation + 1)
    return SecretStr(renewed.tokens.access)


async def _refreshed(session: AppSession, state: ServiceState, kept: Held) -> Given:
    app, now = state.smart, state.clock()
    server = app.server(kept.iss)
    try:
        endpoints = await app.discovery.of(kept.iss, now=now)
    except SmartProblemError as problem:
        raise UnreadableError(problem.code) from None
    return await refresh(app, _known(server), endpoints, kept.tokens.refresh or "", now=now)


def _known(server: Server | None) -> Server:
    if server is None:  # the session was found by it
        raise UnreadableError("server_unknown")
    return server


def _replaced(kept: Held, given: Given, app: SmartApp) -> Held:
    """A server that sends no new refresh token lets the old one stand; patient and user stay."""
    tokens = given.tokens
    if tokens.refresh is None:
        tokens = msgspec.structs.replace(tokens, refresh=kept.tokens.refresh)
    renewed = msgspec.structs.replace(kept, tokens=tokens)
    if given.scope is None:
        return renewed
    return with_scopes(renewed, given.scope, app.types_for(kept.kind))


def _over(session: AppSession, state: ServiceState, code: Code) -> SmartProblemError:
    gone = ended_cookie(state.smart.address, session.id)
    return SmartProblemError(code, tenant=session.tenant, cookies=(gone,))


def _lasts(tokens: Tokens, moment: datetime) -> bool:
    return tokens.expires_at is None or tokens.expires_at > moment.timestamp()


def _is(tokens: Tokens, rejected: SecretStr | None) -> bool:
    return rejected is not None and tokens.access == rejected.get_secret_value()
