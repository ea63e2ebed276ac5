"""How the service behaves as CDS Hooks 2.0 asks, one test for each family of requirements.

docs/conformance.toml says which requirement each of them shows. The form of what is sent is in
test_cds_hooks_wire.py, the prefetch table in test_prefetch_table.py, tokens in tests/security.
"""

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from cds_service.errors import StartRefusedError
from cds_service.tenants_file import load_tenants
from fhir_mapping.prefetch import PREFETCH
from tests.security.clients import Ehr, key_server, public, signing_key, tenants_file, trusting
from tests.service.patients import (
    URL,
    Json,
    call,
    card_of,
    encounter,
    searchset,
    serving,
    view,
    without,
)
from tests.service.trained import SHIPPED, critical_bundle

TOKEN = re.compile(r"\{\{(.*?)\}\}")
ROOT_FIELDS = {"context.userId", "context.patientId", "context.encounterId"}
RESOURCES_IN_CONTEXT = {
    f"context.{name}" for name in ("draftOrders", "selections", "appointments", "fulfillmentTasks")
}
RECOMMENDED = {"patient", "encounter", "code", "category", "date", "_count", "_sort"}
ORIGIN = "https://ehr.example"
STAY = encounter("stay-1", "2026-11-01T12:00:00Z", None)


@pytest.fixture
def ehr(tmp_path: Path) -> Ehr:
    """A client whose keys were handed over as a file: no address of them is named anywhere."""
    key, file = signing_key(), tmp_path / "jwks.json"
    file.write_bytes(public(key))
    return Ehr("north", ORIGIN, key, None, choices={"jwks": str(file)})


async def offered(folder: Path) -> list[Json]:
    """What discovery lists of all that this service can offer, the second task turned on."""
    bundles = {
        "readmission-risk": SHIPPED,
        "critical-outcome": critical_bundle(folder / "critical"),
    }
    async with serving(folder, bundles=bundles, critical_outcome=True) as http:
        listed: list[Json] = (await http.get("/cds-services")).json()["services"]
    return listed


async def test_everything_is_json_in_both_directions(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        listed, answered = await http.get("/cds-services"), await http.post(URL, json=call())
        refused = await http.post(URL, content=b"hook=encounter-discharge")
    assert {each.headers["content-type"] for each in (listed, answered)} == {"application/json"}
    assert refused.headers["content-type"] == "application/fhir+json"
    assert [each.status_code for each in (listed, answered, refused)] == [200, 200, 400]
    for each in (listed, answered, refused):
        assert isinstance(json.loads(each.content), dict)


@pytest.mark.parametrize("field", ["jku", "fhir_servers", "smart_launch", "frame_ancestors"])
def test_no_address_of_another_machine_is_plain_http(field: str, tmp_path: Path) -> None:
    value: Any = "http://ehr.example/r4"
    several = field in ("fhir_servers", "frame_ancestors")
    ehr = Ehr("north", ORIGIN, signing_key(), f"{ORIGIN}/jwks")
    chosen = Ehr(
        ehr.name, ehr.iss, ehr.key, ehr.jku, choices={field: [value] if several else value}
    )
    with pytest.raises(StartRefusedError, match=rf"{field}.*https"):
        load_tenants(tenants_file(tmp_path, chosen))
    assert load_tenants(tenants_file(tmp_path, ehr))


async def test_discovery_is_at_its_address_and_lists_services(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        answer = await http.get("/cds-services")
    assert answer.status_code == 200
    assert len(answer.json()["services"]) == 2


async def test_every_listed_service_answers_under_its_id_and_hook(tmp_path: Path) -> None:
    requests = {"encounter-discharge": call(), "patient-view": view(STAY)}
    async with serving(tmp_path) as http:
        for each in (await http.get("/cds-services")).json()["services"]:
            request = requests.pop(each["hook"])
            answer = await http.post(f"/cds-services/{each['id']}", json=request)
            assert answer.status_code == 200
            assert answer.json()["cards"]
    assert requests == {}


async def test_every_key_that_is_asked_for_is_looked_at(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        listed = (await http.get("/cds-services")).json()["services"]
        asked = next(each for each in listed if each["hook"] == "encounter-discharge")["prefetch"]
        assert set(asked) == {template.key for template in PREFETCH}
        for key in asked:
            answer = await http.post(URL, json=call(**{key: "<html>"}))
            said = answer.json()["issue"][0]["diagnostics"]
            assert (answer.status_code, said.partition(": ")[0]) == (412, f"prefetch.{key}")


async def test_tokens_are_in_braces_and_name_root_fields_of_the_context(tmp_path: Path) -> None:
    listed = await offered(tmp_path)
    assert {each["hook"] for each in listed} == {
        "encounter-discharge",
        "encounter-start",
        "patient-view",
    }
    for query in (query for each in listed for query in each["prefetch"].values()):
        found = set(TOKEN.findall(query))
        assert found
        assert found <= ROOT_FIELDS
        assert not found & RESOURCES_IN_CONTEXT
        assert not set(TOKEN.sub("", query)) & set("{}")


async def test_queries_stay_in_the_recommended_part_of_search_but_for_include(
    tmp_path: Path,
) -> None:
    """What is included cannot be asked for otherwise: the place of a stay, the name of a drug."""
    used: set[str] = set()
    for query in (query for each in await offered(tmp_path) for query in each["prefetch"].values()):
        kind, _, search = query.partition("?")
        if not search:
            assert re.fullmatch(r"(Patient|Encounter)/\{\{context\.\w+\}\}", kind)
        used |= {name for name, _ in parse_qsl(search)}
    assert used - {"_include"} <= RECOMMENDED
    assert {"patient", "_count", "_sort"} <= used


async def test_a_fhir_server_that_the_client_was_not_listed_with_is_never_called(
    tmp_path: Path,
) -> None:
    token = {
        "access_token": "of-this-call",
        "token_type": "Bearer",
        "expires_in": 300,
        "scope": "patient/*.rs",
        "subject": "readmit",
    }
    with key_server() as server:
        request = without(call(), "observations", "patient") | {
            "fhirServer": server.address,
            "fhirAuthorization": token,
        }
        async with serving(tmp_path) as http:
            answer = await http.post(URL, json=request)
    assert answer.status_code == 412
    assert server.asked == []


async def test_a_client_may_hand_over_its_keys_beforehand(ehr: Ehr, tmp_path: Path) -> None:
    async with trusting(tmp_path, ehr) as http:
        known = await http.get("/cds-services", headers=ehr.authorization())
        unknown = await http.get("/cds-services")
    assert (known.status_code, unknown.status_code) == (200, 401)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_browser_of_a_listed_origin_may_call_and_no_other(
    method: str, ehr: Ehr, tmp_path: Path
) -> None:
    asked = {
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "Authorization, Content-Type",
    }
    async with trusting(tmp_path, ehr, cors_origins=(ORIGIN,)) as http:
        listed = await http.options(URL, headers={"Origin": ORIGIN} | asked)
        other = await http.options(URL, headers={"Origin": "https://other.example"} | asked)
    assert listed.status_code == 200
    assert listed.headers["access-control-allow-origin"] == ORIGIN
    assert method in listed.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in other.headers


async def test_no_answer_needs_another_hook_to_have_fired(tmp_path: Path) -> None:
    """A client that knows one of the two hooks alone misses nothing that the other would say."""
    alone = []
    for request in (call(STAY, encounters=searchset(STAY)), view(STAY)):
        settings = {"database": f"sqlite+aiosqlite:///{tmp_path}/{request['hook']}.sqlite"}
        async with serving(tmp_path, bundles={"readmission-risk": SHIPPED}, **settings) as http:
            card = await card_of(http, request)
        alone.append((card["summary"], card["detail"], card["indicator"]))
    assert alone[0] == alone[1]


async def test_feedback_on_a_card_is_taken(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        card = await card_of(http, call())
        told = {
            "card": card["uuid"],
            "outcome": "accepted",
            "acceptedSuggestions": [{"id": card["suggestions"][0]["uuid"]}],
            "outcomeTimestamp": "2026-11-21T12:05:00Z",
        }
        answer = await http.post(f"{URL}/feedback", json={"feedback": [told]})
    assert answer.status_code == 200
