"""What a FHIR server says about signing in: its `.well-known/smart-configuration` (SMART App Launch 2.2).

Only of a server that the site lists. Kept for minutes; one fetch at a time for each server, which all
who wait share.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import httpx
from pydantic import TypeAdapter, ValidationError

from cds_service.addresses import Resource
from cds_service.smart.problems import Code, SmartProblemError
from cds_service.smart.reading import UnreadableError, read_json

KEPT: Final = timedelta(minutes=5)
AGAIN_AFTER_FAILURE: Final = timedelta(seconds=5)
_PUT_BACK: Final = timedelta(minutes=1)
"""A clock so far behind the last fetch was put back: calls that overtake each other differ by less."""
_ADDRESS: Final[TypeAdapter[str]] = TypeAdapter(Resource)


@dataclass(frozen=True)
class SmartConfiguration:
    """The parts that matter here. `issuer` and `key_set` None: it does not say who the user is."""

    authorization_endpoint: str
    token_endpoint: str
    capabilities: frozenset[str]
    scopes: frozenset[str]
    issuer: str | None
    key_set: str | None
    revocation_endpoint: str | None = None


class _Unsuitable(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, code: Code, lacks: str) -> None:
        super().__init__(lacks)
        self.code, self.lacks = code, lacks


@dataclass
class _Kept:
    """What is known of one server."""

    said: SmartConfiguration | None = None
    failure: tuple[Code, str] | None = None
    asked: datetime | None = None
    until: datetime | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def is_fresh(self, now: datetime) -> bool:
        if self.asked is None or self.until is None:
            return False
        return self.asked - _PUT_BACK < now < self.until


class Discovery:
    """The configurations of all servers that have been asked."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._kept: dict[str, _Kept] = {}

    async def of(self, server: str, *, now: datetime) -> SmartConfiguration:
        """What a listed server says, or said minutes ago. Raises SmartProblemError."""
        kept = self._kept.setdefault(server, _Kept())
        async with kept.lock:
            if not kept.is_fresh(now):
                await self._renew(kept, server, now)
        if kept.said is None:
            code, lacks = kept.failure or ("server_unavailable", "unknown")
            raise SmartProblemError(code, discovery=lacks)
        return kept.said

    async def _renew(self, kept: _Kept, server: str, now: datetime) -> None:
        kept.said, kept.failure = None, None
        kept.asked, kept.until = now, now + AGAIN_AFTER_FAILURE
        address = f"{server.rstrip('/')}/.well-known/smart-configuration"
        try:
            status, stated = await read_json(self._http, "GET", address, headers={})
            if status != 200:
                raise UnreadableError("status")
            kept.said, kept.until = configuration(stated), now + KEPT
        except UnreadableError as why:
            kept.failure = ("server_unavailable", str(why))
        except _Unsuitable as why:
            kept.failure = (why.code, why.lacks)


def configuration(stated: Mapping[str, Any]) -> SmartConfiguration:
    """The configuration that a document states. Raises what `Discovery.of` turns into a page.

    Servers that leave out `code_challenge_methods_supported` or `grant_types_supported`, as those of
    SMART 1.0 do, are gone on with: PKCE is sent to them all the same.
    """
    _check_stated(stated)
    capabilities = frozenset(_words(stated, "capabilities"))
    says_who = "sso-openid-connect" in capabilities or "jwks_uri" in stated
    return SmartConfiguration(
        authorization_endpoint=_address(stated, "authorization_endpoint"),
        token_endpoint=_address(stated, "token_endpoint"),
        capabilities=capabilities,
        scopes=frozenset(_words(stated, "scopes_supported")),
        issuer=_text(stated, "issuer") if says_who else None,
        key_set=_address(stated, "jwks_uri") if says_who else None,
        revocation_endpoint=_address(stated, "revocation_endpoint")
        if "revocation_endpoint" in stated
        else None,
    )


def _check_stated(stated: Mapping[str, Any]) -> None:
    if "capabilities" not in stated:
        raise _Unsuitable("server_unsuitable", "capabilities")
    methods = _words(stated, "code_challenge_methods_supported")
    if "code_challenge_methods_supported" in stated and "S256" not in methods:
        raise _Unsuitable("pkce_refused", "code_challenge_methods_supported")
    grants = _words(stated, "grant_types_supported")
    if grants and "authorization_code" not in grants:
        raise _Unsuitable("server_unsuitable", "grant_types_supported")


def _address(stated: Mapping[str, Any], name: str) -> str:
    try:
        return _ADDRESS.validate_python(_text(stated, name))
    except ValidationError:
        raise _Unsuitable("server_unsuitable", name) from None


def _text(stated: Mapping[str, Any], name: str) -> str:
    value = stated.get(name)
    if not isinstance(value, str) or not value:
        raise _Unsuitable("server_unsuitable", name)
    return value


def _words(stated: Mapping[str, Any], name: str) -> list[str]:
    value = stated.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
