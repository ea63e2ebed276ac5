"""Who reads: from the access token of a request, or under --dev this machine."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import httpx
from pydantic import SecretStr

from cds_service.api.access import Access, Reader, access_of
from cds_service.api.access_tokens import AccessToken, bearer, check_times, issuer_of, read
from cds_service.api.introspection import Introspection
from cds_service.api.refusals import untrusted
from cds_service.errors import (
    AccessUncheckedError,
    ClientNotTrustedError,
    SilentSiteError,
    StartRefusedError,
)
from cds_service.observability import note
from cds_service.settings import Settings
from cds_service.tenants import Api, Tenant
from cds_service.trust.key_sets import KeySets
from cds_service.trust.tokens import verify


class Readers(Protocol):
    """Who may read assessments."""

    async def reader(self, authorization: Collection[str], *, now: datetime) -> Reader:
        """Who asks. Raises ClientNotTrustedError, AccessUncheckedError or SilentSiteError."""


@dataclass(frozen=True)
class ThisMachine:
    """Under --dev: whoever reaches the service is on this machine, and may read all of it."""

    dev: Tenant

    async def reader(self, authorization: Collection[str], *, now: datetime) -> Reader:
        """The one tenant of --dev."""
        return Reader(self.dev, None)


@dataclass(frozen=True)
class TokenReaders:
    """The tenants with `[tenant.api]`, each with its own issuer."""

    tenants: tuple[tuple[Tenant, Api], ...]
    algorithms: tuple[str, ...]
    skew_s: int
    key_sets: KeySets
    introspections: Mapping[str, Introspection]

    async def reader(self, authorization: Collection[str], *, now: datetime) -> Reader:
        """Whose token it is and what it allows. The reason of a refusal is noted, not said."""
        try:
            tenant, access = await self._trusted(bearer(authorization), now)
        except ClientNotTrustedError as error:
            note(refused=error.reason, **error.facts)
            raise
        except AccessUncheckedError as error:
            note(unchecked=error.reason)
            raise
        note(tenant=tenant.name)
        if tenant.silent:
            raise SilentSiteError
        return Reader(tenant, access)

    async def _trusted(self, token: str, now: datetime) -> tuple[Tenant, Access]:
        issuer = issuer_of(token)
        for tenant, api in self.tenants:
            if api.introspection and issuer in (None, api.issuer):
                claims = await self.introspections[tenant.name].claims(token, now=now)
                return tenant, access_of(claims)
        if issuer is None:
            raise untrusted("no_tenant_reads")
        return await self._verified(read(token, algorithms=self.algorithms), now)

    async def _verified(self, token: AccessToken, now: datetime) -> tuple[Tenant, Access]:
        tenant, address = self._issued_for(token)
        note(claims_to_be=tenant.name)
        check_times(token.claims, now=now, skew_s=self.skew_s)
        verify(token.presented, await self.key_sets.key(address, token.presented.key_id, now=now))
        return tenant, access_of(token.claims)

    def _issued_for(self, token: AccessToken) -> tuple[Tenant, str]:
        """The one tenant with this issuer and audience, and where its keys are."""
        of_issuer = [
            (tenant, api)
            for tenant, api in self.tenants
            if api.issuer == token.issuer and api.jwks_uri
        ]
        if not of_issuer:
            raise untrusted("issuer_unknown")
        found = [(tenant, api) for tenant, api in of_issuer if api.audience in token.audience]
        if len(found) != 1:  # a token for two tenants would be one's for the other
            raise untrusted("audience_mismatch")
        ((tenant, api),) = found
        return tenant, str(api.jwks_uri)


def readers_of(
    settings: Settings, tenants: Iterable[Tenant], *, http: httpx.AsyncClient
) -> Readers:
    """Who may read, as configured. Raises StartRefusedError for a secret that cannot be read."""
    listed = tuple(tenants)
    if settings.dev:
        return ThisMachine(listed[0])
    reading = tuple((each, each.api) for each in listed if each.api)
    return TokenReaders(
        reading,
        settings.algorithms,
        settings.clock_skew_s,
        KeySets(http),
        {
            tenant.name: Introspection(api, _secret(api.secret_file), http, settings.clock_skew_s)
            for tenant, api in reading
            if api.introspection and api.secret_file
        },
    )


def _secret(path: Path) -> SecretStr:
    try:
        secret = path.read_text("utf-8").strip()
    except (OSError, UnicodeError):
        secret = ""
    if not secret:
        raise StartRefusedError(f"{path}: cannot be read as a client secret, or is empty")
    return SecretStr(secret)
