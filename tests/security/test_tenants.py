"""Each token yields its own tenant, whose choices the answer shows; no token yields another's."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import Key

from cds_service.app import create_app
from cds_service.errors import StartRefusedError
from tests.security.clients import (
    CALLS,
    DISCOVERY,
    PUBLIC,
    Ehr,
    KeyServer,
    key_server,
    public,
    signing_key,
    trusting,
    trusting_settings,
)
from tests.security.logs import answered
from tests.security.routes import routes
from tests.service.patients import URL, call

NORTH, SOUTH = "https://north.example", "https://south.example"
Two = tuple[Ehr, Ehr]
SIGNING_IN = (
    "/smart/launch",
    "/smart/standalone",
    "/smart/callback",
    "/smart/static/{name}",
    "/.well-known/jwks.json",
)
OF_A_SESSION = "/smart/s/{sid}/"  # tests/smart/test_every_route.py tries all of them
OF_READERS = {  # tests/api tries all of them
    ("GET", "/assessments"),
    ("GET", "/assessments/{assessment_id}"),
    ("GET", "/fhir/RiskAssessment"),
    ("POST", "/fhir/RiskAssessment/_search"),
    ("GET", "/fhir/RiskAssessment/{assessment_id}"),
}
OPEN = ("/fhir/metadata", "/health/live", "/health/ready", "/metrics", "/openapi.json")


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[tuple[Key, KeyServer], ...]]:
    keys = signing_key(), signing_key()  # under the same kid, as may happen
    with key_server(keys[0]) as one, key_server(keys[1]) as other:
        yield ((keys[0], one), (keys[1], other))


@pytest.fixture
def two(servers: tuple[tuple[Key, KeyServer], ...]) -> Two:
    (key, one), (other_key, other) = servers
    return Ehr("north", NORTH, key, one.address), Ehr("south", SOUTH, other_key, other.address)


async def named(http: httpx.AsyncClient, ehr: Ehr, read: pytest.CaptureFixture[str]) -> str:
    """The tenant that this EHR is taken for, or why for none."""
    await http.get(DISCOVERY, headers=ehr.authorization())
    line = answered(read.readouterr().err)
    found: str = line.get("tenant") or line["refused"]
    return found


async def test_each_token_yields_its_own_tenant(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with trusting(tmp_path, *two) as http:
        found = [await named(http, ehr, capsys) for ehr in (*two, *two)]
    assert found == ["north", "south", "north", "south"]


async def test_one_cannot_pass_for_the_other(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    north, south = two
    async with trusting(tmp_path, *two) as http:
        assert await named(http, replace(north, iss=SOUTH), capsys) == "key_set_not_allowed"
        assert await named(http, replace(north, jku=south.jku), capsys) == "key_set_not_allowed"
        assert await named(http, replace(south, key=north.key), capsys) == "signature_invalid"
        assert (
            await named(http, replace(south, key=north.key, jku=None), capsys)
            == "signature_invalid"
        )


async def test_two_that_share_an_issuer_are_told_apart_by_their_key_sets(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = replace(two[0], iss=NORTH), replace(two[1], iss=NORTH)
    async with trusting(tmp_path, *shared) as http:
        assert [await named(http, ehr, capsys) for ehr in shared] == ["north", "south"]
        assert await named(http, replace(shared[0], jku=None), capsys) == "key_set_not_named"


async def test_each_endpoint_wants_a_token_of_its_own(two: Two, tmp_path: Path) -> None:
    north = two[0]
    async with trusting(tmp_path, *two) as http:
        for method, path, body in CALLS:
            for other in {elsewhere for _, elsewhere, _ in CALLS} - {path}:
                sent = north.authorization(other)
                answer = await http.request(method, path, json=body, headers=sent)
                assert answer.status_code == 401
            sent = north.authorization(path)
            answer = await http.request(method, path, json=body, headers=sent)
            assert answer.status_code == 200, answer.text


def test_nothing_is_served_but_what_is_tried_here(two: Two, tmp_path: Path) -> None:
    served = routes(create_app(trusting_settings(tmp_path, *two)))
    guarded = {
        (method, path.replace("readmission-risk", "{service_id}")) for method, path, _ in CALLS
    }
    by_everybody = {("GET", path) for path in (*OPEN, *SIGNING_IN)}
    by_users = {each for each in served if each[1].startswith(OF_A_SESSION)}
    assert served == guarded | OF_READERS | by_everybody | by_users


async def test_an_unknown_service_is_said_to_trusted_clients_only(two: Two, tmp_path: Path) -> None:
    path = DISCOVERY + "/unknown"
    async with trusting(tmp_path, *two) as http:
        assert (await http.post(path, json=call())).status_code == 401
        sent = two[0].authorization(path)
        assert (await http.post(path, json=call(), headers=sent)).status_code == 404


async def test_signing_anew_for_every_request(two: Two, tmp_path: Path) -> None:
    async with trusting(tmp_path, *two) as http:
        for _ in range(3):
            assert (await http.get(DISCOVERY, auth=two[1].auth())).status_code == 200


@pytest.mark.parametrize("host", ["readmit.example/at", "other.example", "readmit.example:8000"])
async def test_the_host_header_does_not_change_what_a_token_must_name(
    host: str, two: Two, tmp_path: Path
) -> None:
    sent = two[0].authorization() | {"Host": host}
    async with trusting(tmp_path, *two) as http:
        assert (await http.get(DISCOVERY, headers=sent)).status_code == 200


async def test_behind_a_path_of_a_proxy_tokens_name_the_path(two: Two, tmp_path: Path) -> None:
    behind = PUBLIC + "/readmit"
    north = replace(two[0], public_url=behind)
    async with trusting(tmp_path, north, public_url=behind + "/") as http:
        assert (await http.get(DISCOVERY, headers=north.authorization())).status_code == 200
        assert (await http.get(DISCOVERY, headers=two[0].authorization())).status_code == 401


async def test_the_body_of_a_stranger_is_not_read(two: Two, tmp_path: Path) -> None:
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("a part")
        yield b"{"

    async with trusting(tmp_path, *two) as http:
        assert (await http.post(URL, content=body())).status_code == 401
    assert read == []


async def test_probes_and_metrics_need_no_token_and_nothing_else_is_there(
    two: Two, tmp_path: Path
) -> None:
    async with trusting(tmp_path, *two) as http:
        for path in OPEN:
            assert (await http.get(path)).status_code == 200
        for path in ("/", "/dev/patients", "/docs"):
            assert (await http.get(path)).status_code == 404


def with_file(ehr: Ehr, folder: Path, content: bytes) -> Ehr:
    (folder / "north.jwks.json").write_bytes(content)
    return replace(ehr, jku=None, choices={"jwks": "north.jwks.json"})


async def test_keys_in_a_file_beside_the_tenants_file(
    two: Two, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    north = with_file(two[0], tmp_path, public(two[0].key))
    async with trusting(tmp_path, north, two[1]) as http:
        assert await named(http, north, capsys) == "north"
        assert await named(http, replace(north, jku=two[0].jku), capsys) == "key_set_not_allowed"
        assert await named(http, replace(north, key=signing_key("new")), capsys) == "key_unknown"
        assert await named(http, replace(north, key=signing_key()), capsys) == "signature_invalid"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read as a JSON Web Key Set"),
        (b"", "cannot be read as a JSON Web Key Set"),
        (b"{}", "cannot be read as a JSON Web Key Set"),
        (b'{"keys": []}', "no public RSA or EC key"),
        (json.dumps({"keys": [signing_key().as_dict(private=True)]}).encode(), "no public RSA"),
    ],
    ids=["absent", "empty", "no key set", "no keys", "private"],
)
def test_a_key_file_without_keys_stops_the_start(
    content: Any, words: str, two: Two, tmp_path: Path
) -> None:
    north = with_file(two[0], tmp_path, content or b"")
    if content is None:
        (tmp_path / "north.jwks.json").unlink()
    with pytest.raises(StartRefusedError, match=words):
        create_app(trusting_settings(tmp_path, north))
