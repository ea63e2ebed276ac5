"""Access tokens that are JSON Web Tokens (RFC 9068): what they say, whether it holds. Pure.

Nothing is believed before the signature was verified; `iss` and `aud` decide earlier only whose key
that must be.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cds_service.api.refusals import untrusted
from cds_service.errors import ClientNotTrustedError
from cds_service.trust.tokens import LONGEST, Presented, is_audience, is_moment, is_text, parts

_BEARER: Final = re.compile(r"bearer +([\w.~+/-]+=*)", re.ASCII | re.IGNORECASE)
_TYPES: Final = frozenset(("at+jwt", "application/at+jwt", "jwt"))
_REQUIRED: Final = {"iss": is_text, "aud": is_audience, "exp": is_moment}
_OPTIONAL: Final = {"nbf": is_moment, "iat": is_moment}


@dataclass(frozen=True)
class AccessToken:
    """A token and its claims, not yet believed."""

    presented: Presented
    claims: Mapping[str, Any] = field(repr=False)

    @property
    def issuer(self) -> str:
        """`iss`."""
        return self.presented.issuer

    @property
    def audience(self) -> tuple[str, ...]:
        """`aud`, one or several."""
        return self.presented.audience


def bearer(authorization: Collection[str]) -> str:
    """The token of the `Authorization` headers, of whatever form. Raises ClientNotTrustedError."""
    if not authorization:
        raise untrusted("token_missing")
    if len(authorization) > 1:
        raise untrusted("authorization_repeated")
    found = _BEARER.fullmatch(next(iter(authorization)))
    if not found or len(found[1]) > LONGEST:
        raise untrusted("authorization_not_bearer")
    return found[1]


def issuer_of(token: str) -> str | None:
    """`iss` of a JSON Web Token, not believed; None where the token is opaque."""
    try:
        issuer = parts(token)[1].get("iss")
    except ClientNotTrustedError:
        return None
    return issuer if isinstance(issuer, str) else ""


def read(token: str, *, algorithms: Collection[str]) -> AccessToken:
    """Take it apart. Raises ClientNotTrustedError."""
    header, claims = parts(token)
    _check_header(header, algorithms)
    _check_claims(claims)
    audience, expires = claims["aud"], claims["exp"]
    issued = claims.get("iat", 0)
    presented = Presented(
        token=token,
        algorithm=header["alg"],
        key_id=header["kid"],
        key_set=None,
        issuer=claims["iss"],
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        issued=issued,
        not_before=claims.get("nbf", issued),
        expires=expires,
        id="",
    )
    return AccessToken(presented, claims)


def check_times(claims: Mapping[str, Any], *, now: datetime, skew_s: int) -> None:
    """Whether it holds now. Raises ClientNotTrustedError."""
    moment = now.timestamp()
    if "exp" in claims and moment >= claims["exp"] + skew_s:
        raise untrusted("token_expired")
    if claims.get("nbf", 0) > moment + skew_s:
        raise untrusted("token_not_yet_valid")
    if claims.get("iat", 0) > moment + skew_s:
        raise untrusted("issued_in_future")


def _check_header(header: Mapping[str, Any], algorithms: Collection[str]) -> None:
    if header.get("alg") not in algorithms:
        raise untrusted("algorithm_not_allowed")
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise untrusted("type_not_access_token")
    if not is_text(header.get("kid")):
        raise untrusted("key_id_missing")
    if {"crit", "b64"} & header.keys():
        raise untrusted("header_malformed")


def _check_claims(claims: Mapping[str, Any]) -> None:
    for name, fits in _REQUIRED.items():
        if name not in claims:
            raise untrusted("claim_missing", claim=name)
        if not fits(claims[name]):
            raise untrusted("claim_malformed", claim=name)
    check_optional(claims)


def check_optional(claims: Mapping[str, Any]) -> None:
    """Times that may be absent. Raises ClientNotTrustedError."""
    for name, fits in _OPTIONAL.items():
        if name in claims and not fits(claims[name]):
            raise untrusted("claim_malformed", claim=name)
