"""SMART Backend Services: access tokens for one FHIR server, made with the app's own keys.

The token endpoint is what the server states in `.well-known/smart-configuration`, or what the tenants
file says. A token is kept until shortly before it expires; each request for one carries a fresh
assertion with a `jti` of its own. Tokens live in memory alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx
from authlib.common.urls import add_params_to_qs
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oauth2.rfc7523.assertion import private_key_jwt_sign
from authlib.oauth2.rfc7523.client import ASSERTION_TYPE
from joserfc.jwk import Key
from pydantic import TypeAdapter, ValidationError

from cds_service.addresses import Resource
from cds_service.batch.calling.system_scopes import Readable, asked_for, only_v1, readable
from cds_service.batch.errors import BatchError
from cds_service.smart.app_keys import AppKeys
from cds_service.smart.reading import UnreadableError, read_json
from cds_service.smart.session import Tokens
from cds_service.smart.token_endpoint import ASSERTED_S, FORM, tokens_said
from cds_service.tenants import Tenant

Pause = Callable[[float], Awaitable[None]]
_TRIES: Final = 4
_UNSAID_S: Final = 60.0
"""How long a token is used that does not say how long it lasts."""
_EARLY_S: Final = 30.0
_PASSING: Final = frozenset(("timeout", "unreachable", "status"))
_ADDRESS: Final[TypeAdapter[str]] = TypeAdapter(Resource)


@dataclass(frozen=True)
class Registered:
    """Who batch is at a server. `key_set`: where the public keys are, if the service serves them."""

    client_id: str
    algorithm: str
    key: Key = field(repr=False)
    token_url: str | None = None
    scope: str | None = None
    key_set: str | None = None


@dataclass(frozen=True)
class _Endpoint:
    address: str
    v1: bool


def registered(tenant: Tenant, keys: AppKeys, *, key_set: str | None = None) -> Registered | None:
    """The registration of a tenant; None without `[tenant.backend]`. Raises BatchError."""
    backend = tenant.backend
    if backend is None:
        return None
    key = keys.signing(backend.algorithm)
    if key is None:
        raise BatchError(
            f"tenant {tenant.name}",
            f"[tenant.backend] needs READMIT_APP_KEYS with a key for {backend.algorithm};",
            "`readmit new-app-keys` makes them.",
        )
    return Registered(
        backend.client_id, backend.algorithm, key, backend.token_url, backend.scope, key_set
    )


class BackendTokens:
    """Tokens of one FHIR server for reading `reads` and writing `writes`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        base: str,
        registration: Registered,
        *,
        reads: Collection[str],
        writes: Collection[str] = (),
        clock: Callable[[], datetime],
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._http, self._base, self._registered = http, base.rstrip("/"), registration
        self._reads, self._writes = tuple(reads), tuple(writes)
        self._clock, self._pause = clock, pause
        self._lock = asyncio.Lock()
        self._endpoint: _Endpoint | None = None
        self._kept: Tokens | None = None
        self._until = 0.0
        self._scope = ""

    async def bearer(self) -> str:
        """A token that is good for a while yet. Raises BatchError."""
        async with self._lock:
            if self._kept is None or self._clock().timestamp() >= self._until:
                self._kept = await self._mint()
            return self._kept.access

    async def renewed(self, refused: str) -> str:
        """Another token than the one that was refused; one is made for all who wait. Raises BatchError."""
        async with self._lock:
            if self._kept is None or self._kept.access == refused:
                self._kept = await self._mint()
            return self._kept.access

    async def readable(self) -> Readable:
        """What the tokens that are given allow to read, of what was asked for. Raises BatchError."""
        await self.bearer()
        return readable(self._scope, self._reads)

    async def _mint(self) -> Tokens:
        if self._endpoint is None:
            self._endpoint = await self._discovered()
        own = asked_for(self._reads, self._writes, v1=self._endpoint.v1)
        scope = self._registered.scope or own
        said = await self._asked(self._endpoint, scope)
        now = self._clock()
        try:
            tokens = tokens_said(said, now)
        except UnreadableError:
            raise self._failed("answers without a token that can be used.") from None
        lasts = (tokens.expires_at or now.timestamp() + _UNSAID_S) - now.timestamp()
        self._until = now.timestamp() + lasts - min(_EARLY_S, lasts / 4)
        stated = said.get("scope")
        self._scope = stated if isinstance(stated, str) and stated else scope
        return tokens

    async def _discovered(self) -> _Endpoint:
        where = f"{self._base}/.well-known/smart-configuration"
        stated = await self._stated(where)
        address = self._registered.token_url or stated.get("token_endpoint")
        try:
            endpoint = _Endpoint(_ADDRESS.validate_python(address), only_v1(stated))
        except ValidationError:
            raise BatchError(where, "names no token endpoint that is https.", _SET_IT) from None
        self._check_algorithm(where, stated)
        return endpoint

    async def _stated(self, where: str) -> Mapping[str, Any]:
        """What the server says of itself; nothing, where the tenants file says what is needed."""
        try:
            status, stated = await self._patiently("GET", where, None)
            if status != 200:
                raise UnreadableError("status")
        except UnreadableError as why:
            if self._registered.token_url:
                return {}
            raise BatchError(where, f"{_UNREAD[str(why)]}.", _SET_IT) from None
        return stated

    def _check_algorithm(self, where: str, stated: Mapping[str, Any]) -> None:
        name = "token_endpoint_auth_signing_alg_values_supported"
        taken = stated.get(name)
        if isinstance(taken, list) and taken and self._registered.algorithm not in taken:
            raise BatchError(
                where,
                f"{name} has no {self._registered.algorithm}.",
                "Set `algorithm` of [tenant.backend] to one that it has, RS384 or ES384.",
            )

    async def _asked(self, endpoint: _Endpoint, scope: str) -> Mapping[str, Any]:
        body = prepare_token_request("client_credentials", scope=scope)
        try:
            status, said = await self._patiently("POST", endpoint.address, body)
        except UnreadableError as why:
            raise self._failed(f"{_UNREAD[str(why)]}.") from None
        if status != 200 or "error" in said:
            raise self._refused(said.get("error"), status)
        return said

    async def _patiently(
        self, method: str, where: str, body: str | None
    ) -> tuple[int, Mapping[str, Any]]:
        """Again after a pause while the server is busy or away, each time with a new assertion."""
        for tried in range(_TRIES):
            try:
                content = None if body is None else self._proven(where, body)
                headers = {} if body is None else FORM
                status, said = await read_json(
                    self._http, method, where, headers=headers, content=content
                )
                if status != 429 or tried + 1 == _TRIES:
                    return status, said
            except UnreadableError as why:
                if tried + 1 == _TRIES or str(why) not in _PASSING:
                    raise
            await self._pause(2.0**tried)
        raise UnreadableError("status")  # pragma: no cover - the last try returns or raises

    def _proven(self, endpoint: str, body: str) -> str:
        own = self._registered
        header = {"kid": own.key.kid} | ({"jku": own.key_set} if own.key_set else {})
        assertion = private_key_jwt_sign(
            own.key,
            client_id=own.client_id,
            token_endpoint=endpoint,
            alg=own.algorithm,
            header=header,
            issued_at=int(self._clock().timestamp()),
            expires_in=ASSERTED_S,
        )
        fields = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)]
        return str(add_params_to_qs(body, fields))

    def _refused(self, error: object, status: int) -> BatchError:
        known = error if isinstance(error, str) and error in _REFUSALS else None
        what = f"refuses to give a token ({known or f'status {status}'})."
        remedy = _REFUSALS[known] if known else _REFUSALS["invalid_client"]
        named = f" It was asked as client `{self._registered.client_id}` with the key"
        return self._failed(what, f"{remedy}{named} `{self._registered.key.kid}`.")

    def _failed(self, what: str, remedy: str = "Check the address and try again.") -> BatchError:
        return BatchError(self._endpoint.address if self._endpoint else self._base, what, remedy)


_SET_IT: Final = (
    "Check that the address is the base of a FHIR server with SMART; if it is, and the server states"
    " nothing, set `token_url` of [tenant.backend]."
)
_UNREAD: Final[Mapping[str, str]] = {
    "timeout": "does not answer in time",
    "unreachable": "cannot be reached",
    "not_json": "does not answer with a JSON object",
    "too_large": "answers with more than a sensible length",
    "status": "does not answer with the document asked for",
}
_REFUSALS: Final[Mapping[str, str]] = {
    "invalid_client": "Check at the server that the app is registered, that its registration has not"
    " expired, and that it has the public half of the key that signs (`/.well-known/jwks.json`).",
    "unauthorized_client": "Check at the server that the registration has not expired and allows"
    " backend services (client_credentials).",
    "invalid_scope": "Register the app there for reading and writing, with system/ scopes, the types"
    " that are asked for, or set `scope` of [tenant.backend] to what it is registered for.",
    "access_denied": "Check at the server what the registration allows.",
    "invalid_grant": "Check that the clock of this machine is right, and the key that is registered.",
    "invalid_request": "Check `algorithm` of [tenant.backend] and the clock of this machine.",
    "unsupported_grant_type": "The server has no backend services at this address: check `token_url`.",
    "server_error": "Try again later.",
    "temporarily_unavailable": "Try again later.",
}
