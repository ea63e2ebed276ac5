"""The id_token: who the user is, as the authorization server signed it (OpenID Connect Core 3.1.3.7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact
from joserfc.jwt import JWTClaimsRegistry

from cds_service.errors import ClientNotTrustedError
from cds_service.smart.discovery import SmartConfiguration
from cds_service.trust.key_sets import KeySets

ALGORITHMS: Final = ("RS256", "RS384", "ES256", "ES384")
_LEEWAY_S: Final = 60
_LONGEST: Final = 16 * 1024
_USER: Final = 255


class UnprovenError(Exception):
    """An id_token that is not believed; the message is a word of ours for the log."""


async def user_of(
    id_token: str,
    server: SmartConfiguration,
    *,
    client_id: str,
    nonce: str,
    key_sets: KeySets,
    now: datetime,
) -> str | None:
    """`fhirUser` of a token that holds; None where it names none. Raises UnprovenError."""
    header = _header(id_token)
    try:
        key = await key_sets.key(server.key_set or "", header["kid"], now=now)
    except ClientNotTrustedError as refused:
        raise UnprovenError(refused.reason) from None
    try:
        claims = jwt.decode(id_token, key, registry=_registry()).claims
        _rules(server, client_id, nonce, now).validate(claims)
    except (JoseError, ValueError, TypeError, OverflowError) as wrong:
        raise UnprovenError(type(wrong).__name__) from None
    if claims["nonce"] != nonce:  # joserfc would take a list that holds it
        raise UnprovenError("nonce")
    if isinstance(claims["aud"], list) and claims.get("azp", client_id) != client_id:
        raise UnprovenError("azp")
    return _fhir_user(claims)


def _header(id_token: str) -> Mapping[str, Any]:
    """Whose key is needed: not yet believed."""
    if len(id_token) > _LONGEST:
        raise UnprovenError("too_long")
    try:
        header: Mapping[str, Any] = extract_compact(
            id_token.encode(), registry=_registry()
        ).headers()
    except (JoseError, ValueError, TypeError, RecursionError) as wrong:
        raise UnprovenError(type(wrong).__name__) from None
    if header.get("alg") not in ALGORITHMS:
        raise UnprovenError("algorithm")
    if not isinstance(header.get("kid"), str):
        raise UnprovenError("key_id")
    return header


def _registry() -> JWSRegistry:
    registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
    registry.max_header_length = registry.max_signature_length = _LONGEST
    return registry


def _rules(
    server: SmartConfiguration, client_id: str, nonce: str, now: datetime
) -> JWTClaimsRegistry:
    return JWTClaimsRegistry(
        now=int(now.timestamp()),
        leeway=_LEEWAY_S,
        iss={"essential": True, "value": server.issuer or ""},
        aud={"essential": True, "value": client_id},
        exp={"essential": True},
        nonce={"essential": True, "value": nonce},
    )


def _fhir_user(claims: Mapping[str, Any]) -> str | None:
    """Servers of SMART 1.0 say it as `profile`."""
    for name in ("fhirUser", "profile"):
        value = claims.get(name)
        if isinstance(value, str) and 0 < len(value) <= _USER:
            return value
    return None
