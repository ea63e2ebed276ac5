"""Another project's FHIR server behind `fhirServer`, with its own tokens: sekmet-fhir."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.prefetch import PREFETCH
from tests.replay import read_folder, requests_of
from tests.sekmet import NAMES, Sekmet, examples, resolved, serving
from tests.service.fhir_loopback import reading
from tests.service.patients import URL, Json, authorization, card_of, facts
from tests.service.requests import example

pytestmark = pytest.mark.slow

CLIENT, PASSWORD = "readmit", "of-the-client"
READ_ALL, READ_STAYS = "system/*.rs", "system/Patient.rs system/Encounter.rs"
STAYS = 6


@pytest.fixture(scope="module")
def sekmet(peers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekmet]:
    scopes = f"{READ_ALL} {READ_STAYS}"
    client = {"client_id": CLIENT, "client_secret": PASSWORD, "scopes": scopes}
    with serving(peers, tmp_path_factory.mktemp("sekmet"), [client]) as empty:
        yield empty.load(examples())


def token_of(sekmet: Sekmet, scope: str) -> str:
    return sekmet.token(scope, client=CLIENT, password=PASSWORD)


def asking(request: Json, sekmet: Sekmet, token: str, prefetch: Json) -> Json:
    """The request with this prefetch, the server and a token for it."""
    access = {"fhirServer": sekmet.base, "fhirAuthorization": authorization(token)}
    return request | access | {"prefetch": prefetch}


def told(sent: Json) -> Json:
    """A prefetch in which every key that the export could not answer says that nothing is there."""
    return {template.key: sent.get(template.key) for template in PREFETCH}


@pytest.mark.parametrize("name", NAMES)
async def test_an_example_is_the_same_vector_by_every_way(
    name: str, sekmet: Sekmet, tmp_path: Path
) -> None:
    request, token = example(name), token_of(sekmet, READ_ALL)
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
    export, token = data_dir / "synthea-bulk100" / "ndjson", token_of(sekmet, READ_ALL)
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
    token = token_of(sekmet, READ_STAYS)
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
    request: Any = asking(example(NAMES[0]), sekmet, token_of(sekmet, READ_ALL), {})
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
        token = token_of(sekmet, READ_ALL)
        card = await card_of(http, asking(request, sekmet, token, {}))
    assert facts(card)["sources"]["Observation"] == "read"
