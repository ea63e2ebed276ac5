"""The SMART app as this service runs it: where it is registered, with what secrets. Settled at start."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr

from cds_service.addresses import listed
from cds_service.errors import StartRefusedError
from cds_service.services import Offered
from cds_service.settings import Settings
from cds_service.smart.app_keys import AppKeys, read_app_keys
from cds_service.smart.discovery import Discovery
from cds_service.smart.scopes import WORKLIST_TYPES, Kind, resource_types
from cds_service.storage.sessions import Sessions
from cds_service.storage.store import Store
from cds_service.tenants import Smart, Tenant
from cds_service.trust.key_sets import KeySets


@dataclass(frozen=True)
class Server:
    """A FHIR server at which the app is registered, as the tenants file writes it."""

    base: str
    tenant: Tenant
    registration: Smart


@dataclass(frozen=True)
class SmartApp:
    """All that signing in needs. `address`: of the service as browsers see it, no final slash."""

    address: str
    servers: tuple[Server, ...]
    secrets: Mapping[str, SecretStr]
    keys: AppKeys
    types: tuple[str, ...]
    http: httpx.AsyncClient = field(repr=False)
    discovery: Discovery = field(repr=False)
    key_sets: KeySets = field(repr=False)
    sessions: Sessions = field(repr=False)

    @property
    def callback(self) -> str:
        """The redirect URI that is registered."""
        return f"{self.address}/smart/callback"

    @property
    def key_set(self) -> str:
        """Where the public halves of the app's keys are."""
        return f"{self.address}/.well-known/jwks.json"

    def server(self, iss: str) -> Server | None:
        """The server that a launch names; none that is not listed is ever asked anything."""
        base = listed(iss, (each.base for each in self.servers))
        return next((each for each in self.servers if each.base == base), None)

    def types_for(self, kind: Kind) -> tuple[str, ...]:
        """The resource types that are asked for."""
        return WORKLIST_TYPES if kind == "worklist" else self.types


def smart_app(
    settings: Settings,
    tenants: Iterable[Tenant],
    services: Iterable[Offered],
    *,
    store: Store,
    http: httpx.AsyncClient,
) -> SmartApp:
    """The app of these tenants. Raises StartRefusedError."""
    keys = read_app_keys(settings.app_keys)
    servers = tuple(server for each in tenants for server in _servers(each, keys))
    _check_distinct(servers)
    read = [one for each in services for one in (each.assessor, *each.tenants.values())]
    return SmartApp(
        address=settings.address,
        servers=servers,
        secrets={each.tenant.name: secret for each in servers if (secret := _secret(each))},
        keys=keys,
        types=resource_types(template for each in read for template in each.asked),
        http=http,
        discovery=Discovery(http),
        key_sets=KeySets(http),
        sessions=Sessions(store.database, store.vault),
    )


def _servers(tenant: Tenant, keys: AppKeys) -> Iterable[Server]:
    smart = tenant.smart
    if smart is None:
        return ()
    if not tenant.fhir_servers:
        raise StartRefusedError(
            f"tenant {tenant.name}: [tenant.smart] needs fhir_servers: they are who may launch it"
        )
    if smart.auth == "private_key" and keys.signing(smart.algorithm) is None:
        raise StartRefusedError(
            f"tenant {tenant.name}: auth private_key needs READMIT_APP_KEYS with a key for"
            f" {smart.algorithm}; `readmit new-app-keys` makes them"
        )
    return (Server(base, tenant, smart) for base in tenant.fhir_servers)


def _check_distinct(servers: Iterable[Server]) -> None:
    """Whose a launch is must follow from its server."""
    seen: list[Server] = []
    for server in servers:
        for other in seen:
            if listed(server.base, (other.base,)):
                raise StartRefusedError(
                    f"tenants {other.tenant.name} and {server.tenant.name}: both have [tenant.smart]"
                    f" and the FHIR server {server.base}; it may belong to one"
                )
        seen.append(server)


def _secret(server: Server) -> SecretStr | None:
    path = server.registration.secret_file
    return _read_secret(path) if path else None


def _read_secret(path: Path) -> SecretStr:
    try:
        secret = path.read_text("ascii").strip()
    except (OSError, UnicodeError):
        secret = ""
    if not secret or not secret.isprintable():
        raise StartRefusedError(f"{path}: cannot be read as a client secret, one line of ASCII")
    return SecretStr(secret)
