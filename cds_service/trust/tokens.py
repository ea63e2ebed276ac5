"""One JSON Web Token: what it says, whether it is for this call, whether a key signed it. Pure.

CDS Hooks 2.0, Trusting CDS Clients. Nothing that a token says is believed before `verify`; what is
read earlier only decides which tenant's key that is.
"""

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from joserfc.errors import JoseError, MissingAlgorithmError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry, extract_compact, validate_compact

from cds_service.trust.refusals import refused

LONGEST = 8192
_BEARER = re.compile(r"bearer +([\w-]+\.[\w-]+\.[\w-]*)", re.ASCII | re.IGNORECASE)
_YEAR_9999 = 253_370_764_800


@dataclass(frozen=True)
class Rules:
    """What a site allows of tokens."""

    algorithms: tuple[str, ...]
    lifetime_s: int
    skew_s: int


@dataclass(frozen=True)
class Presented:
    """What a token says of itself, not yet believed."""

    token: str = field(repr=False)
    algorithm: str
    key_id: str
    key_set: str | None
    issuer: str
    audience: tuple[str, ...]
    issued: float
    not_before: float
    expires: float
    id: str


def bearer(authorization: Collection[str]) -> str:
    """The token in the `Authorization` headers of a request. Raises ClientNotTrustedError."""
    if not authorization:
        raise refused("token_missing")
    if len(authorization) > 1:
        raise refused("authorization_repeated")
    found = _BEARER.fullmatch(next(iter(authorization)))
    if not found:
        raise refused("authorization_not_bearer")
    return found[1]


def read(token: str, *, algorithms: Collection[str]) -> Presented:
    """Take the token apart. Raises ClientNotTrustedError where it is not one that CDS Hooks allows."""
    header, claims = parts(token)
    _check_header(header, algorithms)
    _check_claims(claims)
    audience = claims["aud"]
    return Presented(
        token=token,
        algorithm=header["alg"],
        key_id=header["kid"],
        key_set=header.get("jku"),
        issuer=claims["iss"],
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        issued=claims["iat"],
        not_before=claims.get("nbf", claims["iat"]),
        expires=claims["exp"],
        id=claims["jti"],
    )


def check(presented: Presented, *, endpoint: str, now: datetime, rules: Rules) -> None:
    """Whether the token is for this call, now. Raises ClientNotTrustedError."""
    moment = now.timestamp()
    if moment >= presented.expires + rules.skew_s:
        raise refused("token_expired")
    if presented.issued > moment + rules.skew_s:
        raise refused("issued_in_future")
    if presented.not_before > moment + rules.skew_s:
        raise refused("token_not_yet_valid")
    if presented.expires - presented.issued > rules.lifetime_s:
        raise refused("lifetime_too_long")
    if endpoint not in presented.audience:
        raise refused("audience_mismatch", differs=_difference(presented.audience[0], endpoint))


def verify(presented: Presented, key: Key) -> None:
    """Whether this key signed the token. Raises ClientNotTrustedError."""
    registry = _registry(presented.algorithm)
    try:
        registry.get_alg(presented.algorithm).check_key(key)
    except JoseError:
        raise refused("key_for_other_algorithm") from None
    signed = extract_compact(presented.token.encode(), registry=registry)
    if not validate_compact(signed, key, registry=registry):
        raise refused("signature_invalid")


def _registry(*algorithms: str) -> JWSRegistry:
    registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    registry.max_header_length = registry.max_signature_length = LONGEST
    return registry


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, not yet believed. Raises ClientNotTrustedError."""
    if len(token) > LONGEST:
        raise refused("token_malformed")
    try:
        signed = extract_compact(token.encode(), registry=_registry("none"))
        header, claims = signed.protected, json.loads(signed.payload)
    except MissingAlgorithmError:
        raise refused("algorithm_not_allowed") from None
    except (JoseError, ValueError, TypeError, RecursionError):
        raise refused("token_malformed") from None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise refused("token_malformed")
    return header, claims


def _check_header(header: Mapping[str, Any], algorithms: Collection[str]) -> None:
    if not is_text(header.get("alg")) or header["alg"] not in algorithms:
        raise refused("algorithm_not_allowed")
    if header.get("typ") != "JWT":
        raise refused("type_not_jwt")
    if not is_text(header.get("kid")):
        raise refused("key_id_missing")
    if {"crit", "b64"} & header.keys() or ("jku" in header and not is_text(header["jku"])):
        raise refused("header_malformed")


def _check_claims(claims: Mapping[str, Any]) -> None:
    for name, fits in _CLAIMS.items():
        if name not in claims:
            raise refused("claim_missing", claim=name)
        if not fits(claims[name]):
            raise refused("claim_malformed", claim=name)
    if "nbf" in claims and not is_moment(claims["nbf"]):
        raise refused("claim_malformed", claim="nbf")


def is_text(value: object) -> bool:
    """Text that is not empty."""
    return isinstance(value, str) and value != ""


def is_audience(value: object) -> bool:
    """Text, or an array of such."""
    listed = value if isinstance(value, list) else [value]
    return bool(listed) and all(map(is_text, listed))


def is_moment(value: object) -> bool:
    """Seconds since 1970 that a clock can show."""
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value < _YEAR_9999  # so that no arithmetic on it can fail; NaN is outside too
    )


_CLAIMS: Mapping[str, Callable[[object], bool]] = {
    "iss": is_text,
    "aud": is_audience,
    "exp": is_moment,
    "iat": is_moment,
    "jti": is_text,
}


def _difference(audience: str, endpoint: str) -> str:
    """In what an audience is not the endpoint: a word of ours, never the address itself."""
    try:
        said, called = urlsplit(audience), urlsplit(endpoint)
    except ValueError:
        return "not_an_address"
    if not said.scheme or not said.netloc:
        return "not_an_address"
    if said.scheme != called.scheme:
        return "scheme"
    if said.netloc != called.netloc:
        return "host"
    return "final_slash" if audience.rstrip("/") == endpoint else "path"
