"""Another project's FHIR server behind `fhirServer`, with its own tokens: sekmet-fhir.

Its limits, as of 0.1.1: at most 1000 matches a page whatever `_count` asks; a search parameter that
it does not know is ignored with a warning among the entries; system-level search is not there.
"""

import json
import re
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from httpx_retries import Retry, RetryTransport

from fhir_mapping.prefetch import PREFETCH
from tests.replay import read_folder, requests_of
from tests.service.fhir_loopback import reading
from tests.service.patients import URL, Json, authorization, card_of, facts
from tests.service.requests import EXAMPLES, example

pytestmark = pytest.mark.slow

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.json"))
CLIENT, PASSWORD, LOADER = "readmit", "of-the-client", "of-the-loader"
READ_ALL, READ_STAYS = "system/*.rs", "system/Patient.rs system/Encounter.rs"
STAYS = 6
URN = re.compile(r"urn:uuid:([0-9a-f-]+)")


@dataclass(frozen=True)
class Sekmet:
    """A running server: its base, and a client that may write."""

    base: str
    http: httpx.Client

    def token(self, scope: str) -> str:
        """As a SMART backend service gets one."""
        granted = self.http.post(
            f"{self.base.removesuffix('/fhir')}/auth/token",
            data={"grant_type": "client_credentials", "scope": scope},
            auth=(CLIENT, PASSWORD),
        )
        return str(granted.raise_for_status().json()["access_token"])

    def load(self, resources: list[Json]) -> None:
        entries = [
            {
                "resource": each,
                "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"},
            }
            for each in resources
        ]
        batch = {"resourceType": "Bundle", "type": "batch", "entry": entries}
        answers = self.http.post(self.base, json=batch, timeout=120).raise_for_status().json()
        assert {each["response"]["status"][:2] for each in answers["entry"]} == {"20"}


@pytest.fixture(scope="module")
def sekmet(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekmet]:
    folder = tmp_path_factory.mktemp("sekmet")
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    (folder / "settings.yaml").write_text(json.dumps(configured(base)), "utf-8")  # JSON is YAML
    command = [peers / "sekmet", "serve", "-c", "settings.yaml", "--host", "127.0.0.1"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, "--port", str(port)], cwd=folder, stdout=log, stderr=log) as it,
    ):
        try:
            with httpx.Client(headers={"Authorization": f"Bearer {LOADER}"}, timeout=30) as http:
                yield started(Sekmet(base, http))
        finally:
            it.terminate()


def configured(base: str) -> Json:
    client = {"client_id": CLIENT, "client_secret": PASSWORD, "scopes": f"{READ_ALL} {READ_STAYS}"}
    return {
        "base_url": base,
        "server_auth": {
            "types": ["bearer", "smart"],
            "tokens": [LOADER],
            "smart_clients": [client],
        },
        "validation": {"inbound": "off"},
        "simulator": {"enabled": False},
        "log_inbound": False,
    }


def started(sekmet: Sekmet) -> Sekmet:
    """Asked until it answers, and given the example patients."""
    answering(sekmet)
    for name in NAMES:
        bundle = json.loads((EXAMPLES.parent / "patients" / f"{name}.json").read_text("utf-8"))
        sekmet.load([entry["resource"] for entry in bundle["entry"]])
    return sekmet


def answering(sekmet: Sekmet) -> Sekmet:
    """Asked until it answers."""
    often = Retry(total=300, backoff_factor=0.1, backoff_jitter=0, max_backoff_wait=0.2)
    with httpx.Client(transport=RetryTransport(retry=often)) as patient:
        patient.get(f"{sekmet.base}/metadata").raise_for_status()
    return sekmet


def asking(request: Json, sekmet: Sekmet, token: str, prefetch: Json) -> Json:
    """The request with this prefetch, the server and a token for it."""
    access = {"fhirServer": sekmet.base, "fhirAuthorization": authorization(token)}
    return request | access | {"prefetch": prefetch}


def told(sent: Json) -> Json:
    """A prefetch in which every key that the export could not answer says that nothing is there."""
    return {template.key: sent.get(template.key) for template in PREFETCH}


def resolved(lines: list[bytes]) -> list[Json]:
    """The resources with references as a server writes them; the export has them as `urn:uuid`."""
    resources = [json.loads(line) for line in lines]
    names = {each["id"]: f"{each['resourceType']}/{each['id']}" for each in resources}
    return [
        json.loads(URN.sub(lambda found: names.get(found[1], found[0]), line.decode()))
        for line in lines
    ]


@pytest.mark.parametrize("name", NAMES)
async def test_an_example_is_the_same_vector_by_every_way(
    name: str, sekmet: Sekmet, tmp_path: Path
) -> None:
    request, token = example(name), sekmet.token(READ_ALL)
    sent = request["prefetch"]
    part = {key: sent[key] for key in ("patient", "conditions", "observations")}
    async with reading(tmp_path, sekmet.base) as http:
        whole = facts(await card_of(http, request))
        for prefetch in ({}, part):
            found = facts(await card_of(http, asking(request, sekmet, token, prefetch)))
            assert found.get("vector_digest") == whole.get("vector_digest")
            assert (found["outcome"], found.get("reason")) == (
                whole["outcome"],
                whole.get("reason"),
            )


@pytest.mark.data
async def test_exported_patients_are_the_same_vector_by_every_way(
    sekmet: Sekmet, data_dir: Path, tmp_path: Path
) -> None:
    export, token = data_dir / "synthea-bulk100" / "ndjson", sekmet.token(READ_ALL)
    requests = list(islice(requests_of(export), STAYS))
    charts = read_folder(export).charts
    for patient in {request["context"]["patientId"] for _, request in requests}:
        sekmet.load(resolved([line for lines in charts[patient].values() for line in lines]))
    async with reading(tmp_path, sekmet.base) as http:
        for _, request in requests:
            sent = await card_of(http, request | {"prefetch": told(request["prefetch"])})
            read = await card_of(http, asking(request, sekmet, token, {}))
            assert facts(read)["vector_digest"] == facts(sent)["vector_digest"]
            assert set(facts(read)["sources"].values()) == {"read"}


@pytest.mark.parametrize("token", ["of-nobody", "eyJhbGciOiJub25lIn0.e30."])
async def test_with_a_wrong_token_it_is_412_and_names_what_is_missing(
    token: str, sekmet: Sekmet, tmp_path: Path
) -> None:
    async with reading(tmp_path, sekmet.base) as http:
        answer = await http.post(URL, json=asking(example(NAMES[0]), sekmet, token, {}))
    assert answer.status_code == 412
    said = answer.json()["issue"][0]["diagnostics"]
    assert said.startswith("prefetch.patient: the Patient was not sent, and the FHIR server")
    assert "(server_denied)" in said
    assert token not in answer.text


async def test_what_the_scope_leaves_out_is_not_read_and_said(
    sekmet: Sekmet, tmp_path: Path
) -> None:
    token = sekmet.token(READ_STAYS)
    async with reading(tmp_path, sekmet.base) as http:
        card = await card_of(http, asking(example("other-units"), sekmet, token, {}))
    sources = facts(card)["sources"]
    assert {kind for kind, state in sources.items() if state == "read"} == {
        "Patient",
        "Encounter",
        "Location",  # comes with the encounters
    }
    assert "server denied (" in card["detail"]


async def test_a_patient_whom_the_server_does_not_know_is_412(
    sekmet: Sekmet, tmp_path: Path
) -> None:
    request: Any = asking(example(NAMES[0]), sekmet, sekmet.token(READ_ALL), {})
    request["context"] |= {"patientId": "nobody", "encounterId": "none"}
    async with reading(tmp_path, sekmet.base) as http:
        answer = await http.post(URL, json=request)
    assert answer.status_code == 412
    assert "prefetch.patient" in answer.text
    assert "(server_refused)" in answer.text


async def test_more_than_a_page_is_read_to_its_end(sekmet: Sekmet, tmp_path: Path) -> None:
    request = example("sepsis-long-stay")
    patient, stay = request["context"]["patientId"], request["prefetch"]["encounter"]
    one = request["prefetch"]["observations"]["entry"][0]["resource"]
    assert one["subject"]["reference"].endswith(patient)
    many = [one | {"id": f"more-{number}"} for number in range(1100)]
    sekmet.load([each | {"effectiveDateTime": stay["period"]["start"]} for each in many])
    async with reading(tmp_path, sekmet.base) as http:
        token = sekmet.token(READ_ALL)
        card = await card_of(http, asking(request, sekmet, token, {}))
    assert facts(card)["sources"]["Observation"] == "read"
