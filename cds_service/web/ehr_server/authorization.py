"""The authorization server of the dev EHR: SMART App Launch 2.2 for one public app, always consenting.

One process only: what it handed out is in its memory, and so is the key that signs its id_tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import RSAKey
from joserfc.util import urlsafe_b64encode

from cds_service.tenants import DEV_CLIENT, DEV_USER
from cds_service.web.ehr_server.issued import Issued

Json = dict[str, Any]
_TOKEN_LIFETIME: Final = timedelta(minutes=10)
_OFFLINE: Final = frozenset(("offline_access", "online_access"))


class RefusedAppError(Exception):
    """Why the browser is not sent back to the app: it is not known, or not at that address."""


@dataclass(frozen=True)
class Open:
    """What the user has open: the chart of a patient, a stay, and what a card's link carried."""

    patient: str | None = None
    encounter: str | None = None
    app_context: str | None = None
    in_chart: bool = False
    scopes: tuple[str, ...] = ()
    challenge: str = ""
    nonce: str | None = None


@dataclass
class Authorization:
    """`base`: the FHIR server, and `iss`. `auth`: where this server's own addresses start."""

    base: str
    auth: str
    redirect_uri: str
    launches: Issued[Open] = field(default_factory=lambda: Issued(timedelta(minutes=10)))
    codes: Issued[Open] = field(default_factory=lambda: Issued(timedelta(minutes=1)))
    accesses: Issued[Open] = field(default_factory=lambda: Issued(_TOKEN_LIFETIME))
    refreshes: Issued[Open] = field(default_factory=lambda: Issued(timedelta(hours=8)))

    @cached_property
    def key(self) -> RSAKey:
        """Made when it is first needed; id_tokens of an earlier process are worth nothing."""
        return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)

    @property
    def configuration(self) -> Json:
        """`/.well-known/smart-configuration`."""
        return {
            "issuer": self.base,
            "jwks_uri": f"{self.auth}/jwks",
            "authorization_endpoint": f"{self.auth}/authorize",
            "token_endpoint": f"{self.auth}/token",
            "grant_types_supported": ["authorization_code", "refresh_token"],
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "fhirUser", "launch", "launch/patient", *_OFFLINE],
            "capabilities": [
                "launch-ehr", "launch-standalone", "authorize-post", "client-public",
                "sso-openid-connect", "context-banner", "context-ehr-patient",
                "context-ehr-encounter", "context-standalone-patient", "permission-offline",
                "permission-patient", "permission-user", "permission-v2",
            ],
        }  # fmt: skip

    def check_app(self, asked: Mapping[str, str]) -> None:
        """Raises RefusedAppError where the browser must not be sent back."""
        if asked.get("client_id") != DEV_CLIENT:
            raise RefusedAppError("client_id")
        if asked.get("redirect_uri") != self.redirect_uri:
            raise RefusedAppError("redirect_uri")

    def redirect(self, asked: Mapping[str, str], chosen: Open | None, now: datetime) -> str:
        """Where the browser goes with its code, or with an OAuth error."""
        opened = self.launches.get(asked.get("launch", ""), now) if "launch" in asked else chosen
        said = {"state": asked.get("state", "")}
        if error := self._error(asked, opened):
            return f"{self.redirect_uri}?{urlencode({'error': error} | said)}"
        granted = replace(
            opened or Open(),
            scopes=tuple(asked["scope"].split()),
            challenge=asked["code_challenge"],
            nonce=asked.get("nonce"),
        )
        code = {"code": self.codes.put(granted, now)}
        return f"{self.redirect_uri}?{urlencode(code | said)}"

    def _error(self, asked: Mapping[str, str], opened: Open | None) -> str:
        if asked.get("response_type") != "code":
            return "unsupported_response_type"
        challenged = asked.get("code_challenge") and asked.get("code_challenge_method") == "S256"
        unknown = "launch" in asked and opened is None
        if not challenged or unknown or asked.get("aud") != self.base or not asked.get("state"):
            return "invalid_request"
        return "" if asked.get("scope") else "invalid_scope"

    def tokens(self, form: Mapping[str, str], now: datetime) -> Json | None:
        """The answer of the token endpoint; None: the grant is not known, spent, or not proven."""
        if form.get("grant_type") == "refresh_token":
            granted = self.refreshes.take(form.get("refresh_token", ""), now)
            return self._granted(granted, now) if granted else None
        granted = self.codes.take(form.get("code", ""), now)
        proof = sha256(form.get("code_verifier", "").encode()).digest()
        if granted is None or urlsafe_b64encode(proof).decode() != granted.challenge:
            return None
        return self._granted(granted, now) | self._context(granted, now)

    def _granted(self, granted: Open, now: datetime) -> Json:
        told = {
            "access_token": self.accesses.put(granted, now),
            "token_type": "Bearer",
            "expires_in": int(_TOKEN_LIFETIME.total_seconds()),
            "scope": " ".join(granted.scopes),
        }
        if _OFFLINE & set(granted.scopes):
            told["refresh_token"] = self.refreshes.put(granted, now)
        return told

    def _context(self, granted: Open, now: datetime) -> Json:
        told = {
            "patient": granted.patient,
            "encounter": granted.encounter,
            "appContext": granted.app_context,
            "need_patient_banner": not granted.in_chart,
            "id_token": self._id_token(granted, now) if "openid" in granted.scopes else None,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _id_token(self, granted: Open, now: datetime) -> str:
        claims = {
            "iss": self.base,
            "sub": DEV_USER,
            "aud": DEV_CLIENT,
            "iat": int(now.timestamp()),
            "exp": int((now + _TOKEN_LIFETIME).timestamp()),
            "fhirUser": f"{self.base}/{DEV_USER}",
        }
        said = claims | ({"nonce": granted.nonce} if granted.nonce else {})
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, said, self.key)
