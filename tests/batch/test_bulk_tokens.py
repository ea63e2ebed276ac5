"""SMART Backend Services: assertions that a server verifies, tokens that end, and what is said when none comes."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cds_service.backend_registration import Backend
from cds_service.batch.calling.backend import BackendTokens, registered
from cds_service.batch.calling.system_scopes import asked_for, only_v1, readable
from cds_service.batch.errors import BatchError
from cds_service.fhir_server import outgoing_client
from cds_service.smart.app_keys import AppKeys
from cds_service.tenants import Tenant
from tests.batch.bulk_server.faults import Canned
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import CLIENT_ID, Exporting, Time, registration
from tests.security.clients import signing_key

pytestmark = pytest.mark.sampled(10)


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
async def test_both_algorithms(export: Exporting, server: FakeBulk, algorithm: str) -> None:
    export.registered = registration(server, algorithm)
    await export.arrive()
    assert server.algorithms == [algorithm]
    assert {each.token for each in server.at("file")} == set(server.tokens)


async def test_no_more_is_asked_for_than_is_read(export: Exporting, server: FakeBulk) -> None:
    await export.arrive(types=("Patient", "Encounter"))
    (asked,) = server.at("token")
    assert "scope=system%2FPatient.rs%20system%2FEncounter.rs&" in asked.body.replace("+", "%20")


async def test_a_scope_that_the_site_states_is_asked_for(
    export: Exporting, server: FakeBulk
) -> None:
    export.registered = registration(server, scope="system/*.rs")
    await export.arrive()
    assert "scope=system%2F%2A.rs&" in server.at("token")[0].body


async def test_a_server_of_smart_1_is_asked_in_its_words(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.configuration = {"capabilities": ["permission-v1"]}
    await export.arrive(types=("Patient",))
    assert "scope=system%2FPatient.read&" in server.at("token")[0].body


async def test_a_token_that_ends_while_polling_is_made_again(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.expires_in, server.faults.polls = 60, 5
    server.faults.waiting = {"retry-after": "50"}
    await export.arrive()
    assert len(server.tokens) == 6
    assert len(server.jtis) == 6
    assert len({each.token for each in server.at("status")}) == 6


async def test_a_token_that_ends_while_downloading_is_made_again(
    export: Exporting, server: FakeBulk, time: Time
) -> None:
    def later() -> None:
        if server.seen[-1].step == "file":
            time.now += timedelta(seconds=200)

    server.on_request = later
    arrived = await export.arrive(at_once=1)
    assert len(arrived.files) == 4
    assert len(server.tokens) > 1


async def test_a_token_that_is_kept_is_not_asked_for_again(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.polls, server.faults.files_per_type = 3, 3
    await export.arrive()
    assert len(server.at("token")) == 1


@pytest.mark.parametrize("step", ["kick-off", "status", "file", "delete"])
async def test_a_token_that_the_server_forgot_is_made_again(
    export: Exporting, server: FakeBulk, step: str
) -> None:
    def forget() -> None:
        if server.seen[-1].step == step and len(server.tokens) == 1:
            server.tokens = dict.fromkeys(server.tokens, 0.0)

    server.on_request = forget
    arrived = await export.arrive()
    assert (len(arrived.files), len(server.tokens)) == (4, 2)
    assert server.jobs["job-1"].deleted


async def test_several_files_that_wait_for_a_token_share_one(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.instead["file"] = [Canned(401)] * 4
    await export.arrive(at_once=4)
    assert len(server.at("token")) == 2


async def test_a_token_that_is_never_taken(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["status"] = Canned(401)
    with pytest.raises(BatchError, match="does not take the token") as refused:
        await export.arrive()
    assert not any(token in str(refused.value) for token in server.tokens)
    assert len(server.at("status")) == 2


async def test_a_token_without_expires_in_is_used_for_a_minute(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.token_response = {"expires_in": None}
    server.faults.polls, server.faults.waiting = 2, {"retry-after": "50"}
    await export.arrive()
    assert len(server.at("token")) == 3


async def test_types_that_are_not_granted_are_not_asked_for(
    export: Exporting, server: FakeBulk
) -> None:
    scope = "system/Patient.rs system/Observation.rs?category=vital-signs"
    server.faults.token_response = {"scope": scope}
    arrived = await export.arrive(types=("Patient", "Observation", "Encounter"))
    assert server.at("kick-off")[0].query == {"_type": "Observation,Patient"}
    assert (arrived.types, arrived.partial) == ({"Patient", "Observation"}, {"Observation"})


async def test_a_token_that_reads_nothing(export: Exporting, server: FakeBulk) -> None:
    server.faults.token_response = {"scope": "system/Claim.rs"}
    with pytest.raises(BatchError, match="lets none of the types be read"):
        await export.arrive()


async def test_a_wrong_key(export: Exporting, server: FakeBulk) -> None:
    assert export.registered
    export.registered = replace(export.registered, key=signing_key("batch-key"))
    with pytest.raises(BatchError) as refused:
        await export.arrive()
    words = str(refused.value)
    assert words.startswith(f"{server.auth}/token: refuses to give a token (invalid_client).")
    assert "registration has not expired" in words
    assert f"as client `{CLIENT_ID}` with the key `batch-key`" in words


async def test_a_key_that_the_server_does_not_know(export: Exporting, server: FakeBulk) -> None:
    assert export.registered
    export.registered = replace(export.registered, key=signing_key("another"))
    with pytest.raises(BatchError, match="invalid_client"):
        await export.arrive()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("unauthorized_client", "registration has not expired"),
        ("invalid_scope", "Register the app there for reading"),
        ("invalid_grant", "clock of this machine"),
        ("<b>secret</b>", r"refuses to give a token \(status 400\)"),
    ],
)
async def test_a_refusal_says_what_to_do(
    export: Exporting, server: FakeBulk, error: str, words: str
) -> None:
    said = {"error": error, "error_description": "PHI of the tests"}
    server.faults.always["token"] = Canned(400, said)
    with pytest.raises(BatchError, match=words) as refused:
        await export.arrive()
    assert "PHI" not in str(refused.value)
    assert "<b>" not in str(refused.value)


async def test_an_endpoint_that_is_busy_is_asked_again_with_a_new_assertion(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.instead["token"] = [Canned(503), Canned(429, {"error": "slow_down"})]
    await export.arrive()
    bodies = [each.body for each in server.at("token")]
    assert len(set(bodies)) == 3
    assert export.time.pauses[:2] == [1, 2]


async def test_an_endpoint_that_stays_away(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["token"] = Canned(503)
    with pytest.raises(BatchError, match="/auth/token: does not answer with"):
        await export.arrive()
    assert len(server.at("token")) == 4


async def test_an_endpoint_that_stays_busy(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["token"] = Canned(429, {})
    with pytest.raises(BatchError, match="status 429"):
        await export.arrive()


@pytest.mark.parametrize("given", [{"access_token": None}, {"token_type": "mac"}])
async def test_an_answer_without_a_usable_token(
    export: Exporting, server: FakeBulk, given: dict
) -> None:
    server.faults.token_response = given
    with pytest.raises(BatchError, match="without a token that can be used"):
        await export.arrive()


@pytest.mark.parametrize(
    "canned",
    [Canned(404, {}), Canned(200, "<html>"), Canned(500), Canned(302, {}, {"location": "/x"})],
    ids=["not there", "not JSON", "broken", "redirect"],
)
async def test_a_server_without_discovery(
    export: Exporting, server: FakeBulk, canned: Canned
) -> None:
    server.faults.always["configuration"] = canned
    with pytest.raises(BatchError, match=r"smart-configuration: .* set `token_url`"):
        await export.arrive()


async def test_a_server_without_discovery_whose_token_url_is_known(
    export: Exporting, server: FakeBulk
) -> None:
    assert export.registered
    server.faults.always["configuration"] = Canned(404, {})
    export.registered = replace(export.registered, token_url=f"{server.auth}/token")
    assert len((await export.arrive()).files) == 4


@pytest.mark.parametrize("address", [None, "http://elsewhere.example/token", 7])
async def test_a_token_endpoint_that_must_not_be_called(
    export: Exporting, server: FakeBulk, address: object
) -> None:
    server.faults.configuration = {"token_endpoint": address}
    with pytest.raises(BatchError, match="names no token endpoint that is https"):
        await export.arrive()


async def test_an_algorithm_that_the_server_does_not_take(
    export: Exporting, server: FakeBulk
) -> None:
    name = "token_endpoint_auth_signing_alg_values_supported"
    server.faults.configuration = {name: ["RS384"]}
    with pytest.raises(BatchError, match="has no ES384"):
        await export.arrive()


async def test_a_server_that_is_not_there(time: Time, server: FakeBulk) -> None:
    own = registration(server)
    async with outgoing_client() as http:
        base = "http://127.0.0.1:9/fhir"
        tokens = BackendTokens(http, base, own, reads=("Patient",), clock=time, pause=time.pause)
        with pytest.raises(BatchError, match=r"127\.0\.0\.1:9/fhir/\S+: cannot be reached"):
            await tokens.bearer()


async def test_the_key_set_of_the_service_is_named_where_it_is_served(
    server: FakeBulk, time: Time
) -> None:
    told: list[httpx.Request] = []

    async def note(request: httpx.Request) -> None:
        told.append(request)

    own = registration(server, key_set="https://readmit.example/.well-known/jwks.json")
    async with httpx.AsyncClient(event_hooks={"request": [note]}) as http:
        reads = ("Patient",)
        tokens = BackendTokens(http, server.base, own, reads=reads, clock=time, pause=time.pause)
        await tokens.bearer()
    assert len(told) == 2


def test_the_registration_of_a_tenant() -> None:
    keys = AppKeys((signing_key("one", "ES384"),))
    tenant = Tenant(name="north", iss="x", jwks=Path("k.json"))
    assert registered(tenant, keys) is None
    with_es = tenant.model_copy(update={"backend": Backend(client_id="b")})
    assert getattr(registered(with_es, keys), "client_id", None) == "b"
    with_rs = tenant.model_copy(update={"backend": Backend(client_id="b", algorithm="RS384")})
    with pytest.raises(BatchError, match=r"READMIT_APP_KEYS with a key for RS384"):
        registered(with_rs, keys)


def test_scopes() -> None:
    assert asked_for(("Patient",), ("RiskAssessment",), v1=False) == (
        "system/Patient.rs system/RiskAssessment.cu"
    )
    assert asked_for(("Patient",), ("RiskAssessment",), v1=True) == (
        "system/Patient.read system/RiskAssessment.write"
    )
    types = ("Patient", "Encounter")
    assert readable("system/*.rs", types).whole == set(types)
    assert readable("system/*.read", types).whole == set(types)
    assert readable("system/Patient.c system/Encounter.s", types).whole == {"Encounter"}
    assert readable("fhirsystem", types).whole == set(types)
    assert only_v1({"scopes_supported": ["system/*.read"]})
    assert not only_v1({"scopes_supported": ["system/*.read", "system/*.rs"]})
    assert not only_v1({"capabilities": ["permission-v1", "permission-v2"]})
    assert not only_v1({})
