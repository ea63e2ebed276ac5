"""What an opaque access token allows: asked of its authorization server (RFC 7662), kept briefly.

An answer is kept by the token's SHA-256 for at most KEPT, never past the token's own end, so that
a revoked token is refused within half a minute. An outage is not an answer: then nobody reads.
"""

import asyncio
import base64
import hashlib
import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import httpx
from pydantic import SecretStr

from cds_service.api.access_tokens import check_optional, check_times
from cds_service.api.refusals import untrusted
from cds_service.errors import AccessUncheckedError
from cds_service.tenants import Api
from cds_service.trust.tokens import is_moment

KEPT: Final = timedelta(seconds=30)
MOST_KEPT: Final = 1000
TIMEOUT_S: Final = 3.0
LARGEST: Final = 64 * 1024
Claims = Mapping[str, Any]


@dataclass
class Introspection:
    """The endpoint of one authorization server, and its recent answers."""

    api: Api
    secret: SecretStr
    http: httpx.AsyncClient = field(repr=False)
    skew_s: int
    _kept: OrderedDict[str, tuple[datetime, Claims]] = field(
        default_factory=OrderedDict, repr=False
    )

    async def claims(self, token: str, *, now: datetime) -> Claims:
        """What an active token says. Raises ClientNotTrustedError or AccessUncheckedError."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        until, claims = self._kept.get(digest, (now, {}))
        if now >= until:
            claims = await self._asked(token)
            self._keep(digest, claims, now)
        self._check(claims, now)
        return claims

    def _keep(self, digest: str, claims: Claims, now: datetime) -> None:
        until = now + KEPT
        if is_moment(claims.get("exp")):
            until = min(until, datetime.fromtimestamp(claims["exp"], UTC))
        self._kept.pop(digest, None)
        self._kept[digest] = (until, claims)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def _check(self, claims: Claims, now: datetime) -> None:
        if claims.get("active") is not True:
            raise untrusted("token_inactive")
        if "exp" in claims and not is_moment(claims["exp"]):
            raise untrusted("claim_malformed", claim="exp")
        check_optional(claims)
        check_times(claims, now=now, skew_s=self.skew_s)
        if claims.get("iss", self.api.issuer) != self.api.issuer:
            raise untrusted("issuer_unknown")
        audience = claims.get("aud", self.api.audience)
        if self.api.audience not in (audience if isinstance(audience, list) else [audience]):
            raise untrusted("audience_mismatch")

    async def _asked(self, token: str) -> Claims:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = json.loads(await self._answer(token))
        except (TimeoutError, httpx.TimeoutException):
            raise AccessUncheckedError("timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise AccessUncheckedError("unreachable") from None
        except (ValueError, RecursionError):
            raise AccessUncheckedError("not_json") from None
        if not isinstance(answer, dict):
            raise AccessUncheckedError("not_json")
        return answer

    async def _answer(self, token: str) -> bytes:
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",  # so that what is counted is what is read
            "authorization": self._basic(),
            "content-type": "application/x-www-form-urlencoded",
        }
        form = urlencode({"token": token, "token_type_hint": "access_token"})
        received = bytearray()
        async with self.http.stream(
            "POST",
            str(self.api.introspection),
            headers=headers,
            content=form,
            follow_redirects=False,
            timeout=TIMEOUT_S,
        ) as answer:
            if answer.status_code != 200:
                raise AccessUncheckedError("status")
            async for chunk in answer.aiter_raw():
                received += chunk
                if len(received) > LARGEST:
                    raise AccessUncheckedError("too_large")
        return bytes(received)

    def _basic(self) -> str:
        """RFC 6749, 2.3.1: both are form-encoded before they are joined."""
        both = (self.api.client_id or "", self.secret.get_secret_value())
        joined = ":".join(map(quote_plus, both))
        return f"Basic {base64.b64encode(joined.encode()).decode()}"
