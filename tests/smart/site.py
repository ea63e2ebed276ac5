"""A hospital with the service, its EHRs and a browser: what the tests that click through sign-ins run on.

The service is `readmit serve` with a tenants file; each tenant is an EHR of tests/smart/ehr.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from cds_service.smart.app_keys import new_app_keys
from cds_service.web.gallery import Gallery
from tests.browsing import free_port, serve
from tests.security.clients import STORAGE_KEY, Ehr, public, signing_key
from tests.security.clients import system_now as now
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import EXAMPLES, FakeEhr

HOOK = "/cds-services/readmission-risk"
CLIENT_ID = "readmit"
SECRET = "a client secret of the tests"
AUTH = {"north": "public", "south": "private_key", "west": "secret", "east": "public"}
"""Each tenant by how its EHR knows the app. Of `east` nothing can be launched: it offers no PKCE."""
PLAIN_ONLY = {"code_challenge_methods_supported": ["plain"]}


@dataclass(frozen=True)
class Site:
    """The service's address and folder; by tenant the EHR, and the client that calls the hooks."""

    address: str
    folder: Path
    ehrs: Mapping[str, FakeEhr]
    clients: Mapping[str, Ehr]

    def launch(self, name: str = "north", *, address: str = "", **context: Any) -> str:
        """The address that an EHR opens when its user follows the app's link in a chart."""
        ehr = self.ehrs[name]
        query = urlencode({"iss": ehr.base, "launch": ehr.launch(**context)})
        return f"{address or self.address}/smart/launch?{query}"

    def card(self, name: str, patient: str = "margaret-heart-failure") -> dict[str, Any]:
        """The card of a patient's discharge."""
        request = Gallery(EXAMPLES).patient(patient, datetime.now(UTC).date())["discharge"]  # noqa: TID251
        sent = self.clients[name].authorization(HOOK)
        answer = httpx.post(f"{self.address}{HOOK}", json=request, headers=sent, timeout=60)
        assert answer.status_code == 200, answer.text
        (card,) = answer.json()["cards"]
        return dict(card)

    def assessment(self, name: str, patient: str = "margaret-heart-failure") -> str:
        """What a card's link carries: the uuid of its assessment."""
        return str(self.card(name, patient)["links"][0]["appContext"])

    @property
    def log(self) -> str:
        """All that the service has written."""
        return (self.folder / "service.log").read_text()


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """Everything started; `east` first says what it says for good, as discovery is kept."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        # named otherwise than the service: another site, as browsers count sites
        ehrs = {name: stack.enter_context(fake_ehr(host="localhost")) for name in AUTH}
        stack.enter_context(ehrs["east"].failing(configuration=PLAIN_ONLY))
        clients = {name: _client(name, address) for name in AUTH}
        environment = _environment(folder, address, ehrs, clients)
        for name, ehr in ehrs.items():
            _register(ehr, AUTH[name], address)
        yield Site(
            stack.enter_context(serve(folder, port, environment=environment)),
            folder,
            ehrs,
            clients,
        )


def _client(name: str, address: str) -> Ehr:
    choices = {"jwks": f"{name}.json"}
    key = signing_key(name)
    return Ehr(name, f"https://{name}.example", key, None, now, address, choices)


def _register(ehr: FakeEhr, auth: str, address: str) -> None:
    secret = SECRET if auth == "secret" else ""
    jwks = f"{address}/.well-known/jwks.json" if auth == "private_key" else ""
    ehr.register(CLIENT_ID, f"{address}/smart/callback", auth=auth, secret=secret, jwks=jwks)


def _environment(
    folder: Path, address: str, ehrs: Mapping[str, FakeEhr], clients: Mapping[str, Ehr]
) -> dict[str, str]:
    for name, client in clients.items():
        (folder / f"{name}.json").write_bytes(public(client.key))
    (folder / "client-secret").write_text(SECRET)
    (folder / "app-keys.json").write_text(new_app_keys())
    entries = [_entry(clients[name], ehr, AUTH[name], address) for name, ehr in ehrs.items()]
    (folder / "tenants.toml").write_text("\n".join(entries))
    return {
        "READMIT_TENANTS": str(folder / "tenants.toml"),
        "READMIT_PUBLIC_URL": address,
        "READMIT_STORAGE_KEYS": json.dumps([STORAGE_KEY]),
        "READMIT_APP_KEYS": str(folder / "app-keys.json"),
    }


def _entry(client: Ehr, ehr: FakeEhr, auth: str, address: str) -> str:
    secret = 'secret_file = "client-secret"' if auth == "secret" else ""
    return f"""{client.entry()}
fhir_servers = ["{ehr.base}"]
smart_launch = "{address}/smart/launch"
frame_ancestors = ["{ehr.origin}"]
[tenant.smart]
client_id = "{CLIENT_ID}"
auth = "{auth}"
title = "{client.name.title()} hospital"
{secret}
"""
