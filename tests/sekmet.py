"""Another project's FHIR server in a process of its own, with its own tokens: sekmet-fhir.

Its limits, as of 0.1.1: at most 1000 matches a page whatever `_count` asks; a search parameter that
it does not know is ignored with a warning among the entries; system-level search is not there. It
takes in about a hundred resources a second.
"""

import json
import re
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from httpx_retries import Retry, RetryTransport

from tests.service.patients import Json
from tests.service.requests import EXAMPLES

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
"""The example patients."""
_LOADER = "of-the-loader"
_PATIENCE_S = 300
_AT_ONCE = 500
_URN = re.compile(r"urn:uuid:([0-9a-f-]+)")


@dataclass(frozen=True)
class Sekmet:
    """A running server: its base, and a client that may write."""

    base: str
    http: httpx.Client

    def token(self, scope: str, *, client: str, password: str) -> str:
        """As a SMART backend service with a secret gets one."""
        granted = self.http.post(
            f"{self.base.removesuffix('/fhir')}/auth/token",
            data={"grant_type": "client_credentials", "scope": scope},
            auth=(client, password),
        )
        return str(granted.raise_for_status().json()["access_token"])

    def load(self, resources: Sequence[Json]) -> "Sekmet":
        """Put them there, under their own ids."""
        for at in range(0, len(resources), _AT_ONCE):
            self._put(resources[at : at + _AT_ONCE])
        return self

    def _put(self, resources: Sequence[Json]) -> None:
        entries = [
            {
                "resource": each,
                "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"},
            }
            for each in resources
        ]
        batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        answers = self.http.post(self.base, json=batch).raise_for_status().json()
        assert {each["response"]["status"][:2] for each in answers["entry"]} == {"20"}


@contextmanager
def serving(
    peers: Path, folder: Path, clients: Sequence[Json], *, token_lifetime_s: int | None = None
) -> Iterator[Sekmet]:
    """An empty server that answers, with these `smart_clients`; gone at the end."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    settings = _settings(base, folder, clients, token_lifetime_s)
    (folder / "settings.yaml").write_text(json.dumps(settings), "utf-8")  # JSON is YAML
    command = [peers / "sekmet", "serve", "-c", "settings.yaml", "--host", "127.0.0.1"]
    may_write = {"Authorization": f"Bearer {_LOADER}"}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, "--port", str(port)], cwd=folder, stdout=log, stderr=log) as it,
        httpx.Client(headers=may_write, timeout=_PATIENCE_S) as http,
    ):
        try:
            _answers(base)
            yield Sekmet(base, http)
        finally:
            it.terminate()


def examples() -> list[Json]:
    """Every resource of the example patients."""
    files = [EXAMPLES.parent / "patients" / f"{name}.json" for name in NAMES]
    bundles = [json.loads(file.read_text("utf-8")) for file in files]
    return [entry["resource"] for bundle in bundles for entry in bundle["entry"]]


def resolved(lines: Sequence[bytes]) -> list[Json]:
    """The resources with references as a server writes them; an export has them as `urn:uuid`."""
    resources = [json.loads(line) for line in lines]
    names = {each["id"]: f"{each['resourceType']}/{each['id']}" for each in resources}
    return [
        json.loads(_URN.sub(lambda found: names.get(found[1], found[0]), line.decode()))
        for line in lines
    ]


def _settings(
    base: str, folder: Path, clients: Sequence[Json], token_lifetime_s: int | None
) -> Json:
    tokens = {"types": ["bearer", "smart"], "tokens": [_LOADER], "smart_clients": [*clients]}
    lifetime = {} if token_lifetime_s is None else {"token_lifetime": token_lifetime_s}
    return {
        "base_url": base,
        "data_dir": str(folder / "data"),
        "server_auth": tokens | lifetime,
        "validation": {"inbound": "off"},
        "simulator": {"enabled": False},
        "log_inbound": False,
    }


def _answers(base: str) -> None:
    often = Retry(total=300, backoff_factor=0.1, backoff_jitter=0, max_backoff_wait=0.2)
    with httpx.Client(transport=RetryTransport(retry=often)) as patient:
        patient.get(f"{base}/metadata").raise_for_status()
