"""The second half of signing in: the browser is back, its code becomes a session."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

import msgspec

from cds_service.smart.access import with_scopes
from cds_service.smart.app import Server, SmartApp
from cds_service.smart.cookies import launch_cookie, launch_cookie_name, session_cookie
from cds_service.smart.discovery import SmartConfiguration
from cds_service.smart.id_tokens import UnprovenError, user_of
from cds_service.smart.launch_context import launch_context, same_user
from cds_service.smart.launching import Begun, Redirected, server_named, shown_to
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.reading import UnreadableError
from cds_service.smart.scopes import lists_stays
from cds_service.smart.session import Held, new_secret, open_session
from cds_service.smart.token_endpoint import Given, RefusedError, exchange
from cds_service.storage.sessions import StoredLaunch

_ERRORS: Final = frozenset(
    (
        "invalid_request",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "login_required",
        "interaction_required",
        "consent_required",
    )
)


async def finish(
    app: SmartApp, said: Mapping[str, str], cookies: Mapping[str, str], *, now: datetime
) -> tuple[Redirected, str]:
    """The address of the new session's page with its cookie, and the `Set-Cookie` that takes the
    sign-in's away. `said`: the parameters that came back. Raises SmartProblemError."""
    state = said.get("state", "")
    waiting = await app.sessions.begun(state, now=now)
    if waiting is None:
        raise SmartProblemError("state_unknown")
    begun = _begun(waiting)
    server = server_named(app, begun.iss)
    gone = launch_cookie(app.address, state, "", seconds=0)
    with shown_to(server.tenant):
        browser = cookies.get(launch_cookie_name(state))
        if not browser:
            raise SmartProblemError("cookie_missing", link=_own_window(begun))
        if await app.sessions.take(state, browser, now=now) is None:
            raise SmartProblemError("state_unknown")
        try:
            return await _signed_in(app, server, begun, said, now=now), gone
        except SmartProblemError as problem:
            problem.cookies = (*problem.cookies, gone)
            raise


async def _signed_in(
    app: SmartApp, server: Server, begun: Begun, said: Mapping[str, str], *, now: datetime
) -> Redirected:
    endpoints = await app.discovery.of(server.base, now=now)
    code = _code(said, endpoints)
    given = await _given(app, server, endpoints, begun, code, now=now)
    user = await _user(app, server, endpoints, begun, given, now=now)
    kept = with_scopes(
        _held(begun, given, user),
        begun.scope if given.scope is None else given.scope,
        app.types_for(begun.kind),
    )
    _check(server, kept)
    session_id, secret = await open_session(app, server.tenant, kept, now=now)
    page = "worklist" if begun.kind == "worklist" else ""
    return Redirected(
        f"{app.address}/smart/s/{session_id}/{page}",
        session_cookie(app.address, session_id, secret),
    )


def _begun(waiting: StoredLaunch) -> Begun:
    try:
        return msgspec.convert(waiting.contents, Begun)
    except msgspec.ValidationError:  # another version of the service began it
        raise SmartProblemError("state_unknown") from None


def _own_window(begun: Begun) -> tuple[str, str]:
    """A sign-in that no frame holds; the EHR's launch was spent by this one."""
    query = {"iss": begun.iss} | ({"for": "worklist"} if begun.kind == "worklist" else {})
    return f"/smart/standalone?{urlencode(query)}", "Open Readmit in its own window"


def _code(said: Mapping[str, str], endpoints: SmartConfiguration) -> str:
    """The code. `iss` beside it, where a server says it (RFC 9207), tells two servers apart."""
    if "iss" in said and endpoints.issuer and said["iss"] != endpoints.issuer:
        raise SmartProblemError("other_server")
    if said.get("error") == "access_denied":
        raise SmartProblemError("consent_denied")
    if "error" in said or not said.get("code"):
        error = said.get("error", "code_missing")
        known = error if error in _ERRORS or error == "code_missing" else "other"
        raise SmartProblemError("authorization_refused", oauth_error=known)
    return said["code"]


async def _given(
    app: SmartApp,
    server: Server,
    endpoints: SmartConfiguration,
    begun: Begun,
    code: str,
    *,
    now: datetime,
) -> Given:
    try:
        return await exchange(app, server, endpoints, code=code, verifier=begun.verifier, now=now)
    except RefusedError as refused:
        raise SmartProblemError(refused.code) from None
    except UnreadableError as why:
        unusable = str(why) in ("not_json", "token_response")
        raise SmartProblemError(
            "token_unusable" if unusable else "server_unavailable", token_endpoint=str(why)
        ) from None


async def _user(
    app: SmartApp,
    server: Server,
    endpoints: SmartConfiguration,
    begun: Begun,
    given: Given,
    *,
    now: datetime,
) -> str | None:
    """Who signed in; None where the server does not say. What it says must hold."""
    id_token = given.said.get("id_token")
    if id_token is None or endpoints.key_set is None:
        return None
    try:
        return await user_of(
            str(id_token),
            endpoints,
            client_id=server.registration.client_id,
            nonce=begun.nonce,
            key_sets=app.key_sets,
            now=now,
        )
    except UnprovenError as why:
        raise SmartProblemError("identity_unproven", id_token=str(why)) from None


def _held(begun: Begun, given: Given, user: str | None) -> Held:
    context = launch_context(given.said)
    alone = begun.kind == "worklist"  # a list of many has no patient, whatever was said
    return Held(
        iss=begun.iss,
        kind=begun.kind,
        patient_id=None if alone else context.patient_id,
        encounter_id=None if alone else context.encounter_id,
        fhir_user=user,
        app_context=None if alone else context.app_context,
        granted=(),
        narrowed=(),
        denied=(),
        needs_banner=context.needs_banner,
        csrf=new_secret(),
        tokens=given.tokens,
    )


def _check(server: Server, kept: Held) -> None:
    if kept.kind == "patient":
        if kept.patient_id is None:
            raise SmartProblemError("patient_missing")
        return
    if kept.fhir_user is None:
        raise SmartProblemError("identity_unproven", id_token="absent")  # noqa: S106
    if not same_user(kept.fhir_user, server.registration.care_managers, server.base):
        raise SmartProblemError("not_care_manager")
    if not lists_stays((*kept.granted, *kept.narrowed)):
        raise SmartProblemError("consent_denied", scope="worklist")
