"""Which tenant makes a call: from its `Authorization` header, or under --dev this machine's own."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import httpx
from joserfc.jwk import Key

from cds_service.errors import ClientNotTrustedError
from cds_service.observability import note
from cds_service.settings import Settings
from cds_service.storage.store import Store
from cds_service.tenants import Tenant
from cds_service.trust.key_sets import KeySets
from cds_service.trust.public_keys import PublicKeys, read_key_file
from cds_service.trust.refusals import refused
from cds_service.trust.tokens import Presented, Rules, bearer, check, read, verify


class Clients(Protocol):
    """Who may call."""

    async def tenant(self, authorization: Collection[str], *, path: str, now: datetime) -> Tenant:
        """The tenant that makes this call. Raises ClientNotTrustedError."""


@dataclass(frozen=True)
class ThisMachine:
    """Under --dev: whoever reaches the service is on this machine, and is believed."""

    dev: Tenant

    async def tenant(self, authorization: Collection[str], *, path: str, now: datetime) -> Tenant:
        """The one tenant of --dev."""
        return self.dev


@dataclass(frozen=True)
class TokenBearers:
    """The tenants of the file, each proving itself with a token for the very call."""

    tenants: tuple[Tenant, ...]
    public_url: str
    rules: Rules
    key_sets: KeySets
    key_files: Mapping[str, PublicKeys]
    store: Store

    async def tenant(self, authorization: Collection[str], *, path: str, now: datetime) -> Tenant:
        """Whose token it is. The reason of a refusal is noted, not said."""
        try:
            presented = read(bearer(authorization), algorithms=self.rules.algorithms)
            tenant = issued_for(presented, self.tenants)
            note(claims_to_be=tenant.name)
            check(presented, endpoint=self.public_url + path, now=now, rules=self.rules)
            verify(presented, await self._key(tenant, presented.key_id, now))
            await self._spend(presented, now)
        except ClientNotTrustedError as error:
            note(refused=error.reason, **error.facts)
            raise
        note(tenant=tenant.name)
        return tenant

    async def _key(self, tenant: Tenant, key_id: str, now: datetime) -> Key:
        if tenant.jku is None:
            return self.key_files[tenant.name].key(key_id)
        return await self.key_sets.key(tenant.jku, key_id, now=now)

    async def _spend(self, presented: Presented, now: datetime) -> None:
        until = datetime.fromtimestamp(presented.expires + self.rules.skew_s, UTC)
        if not await self.store.spend_token(digest(presented), expires_at=until, now=now):
            raise refused("token_spent")


def clients_of(
    settings: Settings, tenants: tuple[Tenant, ...], *, store: Store, http: httpx.AsyncClient
) -> Clients:
    """How clients prove who they are. Raises StartRefusedError for a key file that holds no keys."""
    if settings.dev:
        return ThisMachine(tenants[0])
    return TokenBearers(
        tenants,
        settings.public_url or "",
        Rules(settings.algorithms, settings.token_lifetime_s, settings.clock_skew_s),
        KeySets(http),
        {each.name: read_key_file(each.jwks) for each in tenants if each.jwks},
        store,
    )


def issued_for(presented: Presented, tenants: Collection[Tenant]) -> Tenant:
    """The tenant whose pair of `iss` and `jku` a token names. Raises ClientNotTrustedError."""
    same = [each for each in tenants if each.iss == presented.issuer]
    if not same:
        raise refused("issuer_unknown")
    if presented.key_set is None:
        known = [each for each in same if each.jku is None] or same
        if len(known) > 1:
            raise refused("key_set_not_named")
        return known[0]
    for each in same:
        if each.jku == presented.key_set:
            return each
    raise refused("key_set_not_allowed")


def digest(presented: Presented) -> str:
    """What a token is remembered by: its issuer and `jti`, which cannot run into each other."""
    issuer = presented.issuer.encode("utf-8", "surrogatepass")
    token_id = presented.id.encode("utf-8", "surrogatepass")
    return hashlib.sha256(b"%d:%s%s" % (len(issuer), issuer, token_id)).hexdigest()
