"""The token endpoint: a code or a refresh token for tokens, and how the app proves itself there.

Requests are put together by Authlib and sent by the process's one HTTP client. An access token is
opaque: nothing here looks into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from authlib.common.urls import add_params_to_qs
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE

from cds_service.smart.app import Server, SmartApp
from cds_service.smart.discovery import SmartConfiguration
from cds_service.smart.problems import Code
from cds_service.smart.reading import UnreadableError, read_json
from cds_service.smart.session import Tokens

ASSERTED_S: Final = 240  # SMART allows five minutes
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
_CODES: Final[Mapping[str, Code]] = {
    "invalid_grant": "code_refused",
    "invalid_client": "client_refused",
    "unauthorized_client": "client_refused",
}


class RefusedError(Exception):
    """The endpoint answered with an OAuth error; `code` of the page that says so."""

    def __init__(self, error: object) -> None:
        super().__init__()
        known = error if isinstance(error, str) else ""
        self.code: Code = _CODES.get(known, "authorization_refused")


@dataclass(frozen=True)
class Given:
    """What a token endpoint gave: tokens, the scope where it says one, and all that it said."""

    tokens: Tokens
    scope: str | None
    said: Mapping[str, Any] = field(repr=False)


async def exchange(
    app: SmartApp,
    server: Server,
    endpoints: SmartConfiguration,
    *,
    code: str,
    verifier: str,
    now: datetime,
) -> Given:
    """Tokens for a code. Raises RefusedError or UnreadableError."""
    body = prepare_token_request(
        "authorization_code", redirect_uri=app.callback, code=code, code_verifier=verifier
    )
    return await _ask(app, server, endpoints, body, now=now)


async def refresh(
    app: SmartApp, server: Server, endpoints: SmartConfiguration, token: str, *, now: datetime
) -> Given:
    """Tokens for a refresh token, which may be spent by that. Raises RefusedError or UnreadableError."""
    body = prepare_token_request("refresh_token", refresh_token=token)
    return await _ask(app, server, endpoints, body, now=now)


async def revoke(
    app: SmartApp, server: Server, endpoints: SmartConfiguration, token: str, *, now: datetime
) -> None:
    """Tell the server that a token is not used any more, where it takes such word (RFC 7009)."""
    if endpoints.revocation_endpoint is None:
        return
    headers, body = _proven(
        app, server, endpoints.token_endpoint, add_params_to_qs("", [("token", token)]), now
    )
    try:
        await read_json(
            app.http, "POST", endpoints.revocation_endpoint, headers=headers, content=body
        )
    except UnreadableError:
        return  # an empty answer, as the RFC has it, or none: the session ends either way


async def _ask(
    app: SmartApp, server: Server, endpoints: SmartConfiguration, body: str, *, now: datetime
) -> Given:
    headers, content = _proven(app, server, endpoints.token_endpoint, body, now)
    status, said = await read_json(
        app.http, "POST", endpoints.token_endpoint, headers=headers, content=content
    )
    if status != 200 or "error" in said:
        raise RefusedError(said.get("error"))
    scope = said.get("scope")
    return Given(tokens_said(said, now), scope if isinstance(scope, str) else None, said)


def _proven(
    app: SmartApp, server: Server, endpoint: str, body: str, now: datetime
) -> tuple[dict[str, str], str]:
    """Headers and body of a request that says, as registered, which app makes it."""
    registered = server.registration
    secret = app.secrets.get(server.tenant.name)
    methods = {
        "public": "none",
        "secret": "client_secret_basic",
        "private_key": lambda *request: _signed(app, server, endpoint, request, now),
    }
    auth = ClientAuth(
        registered.client_id,
        secret.get_secret_value() if secret else None,
        methods[registered.auth],
    )
    _, headers, content = auth.prepare("POST", endpoint, dict(FORM), body)
    return headers, content


def _signed(
    app: SmartApp, server: Server, endpoint: str, request: tuple[Any, ...], now: datetime
) -> tuple[str, dict[str, str], str]:
    _, _, uri, headers, body = request
    registered = server.registration
    key = app.keys.signing(registered.algorithm)
    assertion = private_key_jwt_sign(
        key,
        client_id=registered.client_id,
        token_endpoint=endpoint,
        alg=registered.algorithm,
        header={"kid": key.kid if key else None, "jku": app.key_set},
        issued_at=int(now.timestamp()),
        expires_in=ASSERTED_S,
    )
    fields = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
    return uri, headers, add_params_to_qs(body, fields)


def tokens_said(said: Mapping[str, Any], now: datetime) -> Tokens:
    """The tokens of an answer. Raises UnreadableError where there is none that can be sent."""
    access, kind = said.get("access_token"), said.get("token_type")
    if not _is_token(access) or not isinstance(kind, str) or kind.lower() != "bearer":
        raise UnreadableError("token_response")
    lasts, refreshing = _seconds(said.get("expires_in")), said.get("refresh_token")
    return Tokens(
        access=str(access),
        expires_at=None if lasts is None else now.timestamp() + lasts,
        refresh=str(refreshing) if _is_token(refreshing) else None,
    )


def _is_token(value: object) -> bool:
    """What fits into a header."""
    return isinstance(value, str) and value.isascii() and value.isprintable() and value != ""


def _seconds(value: object) -> float | None:
    """Some servers say it as text."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else -1.0
    except ValueError:
        return None
    return seconds if 0 < seconds < 10**9 else None
