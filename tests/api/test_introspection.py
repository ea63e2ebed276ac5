"""Opaque tokens: asked of the authorization server, kept briefly, refused where it cannot say."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cds_service.api.introspection import MOST_KEPT, Introspection
from cds_service.fhir_server import outgoing_client
from cds_service.tenants import Api
from tests.api.hospitals import (
    AUDIENCE,
    Hospital,
    Introspector,
    introspecting,
    introspector,
    reading,
)
from tests.security.clients import Clock, signing_key
from tests.security.logs import answered
from tests.service.patients import NOW, Json
from tests.service.stored import add

pytestmark = pytest.mark.sampled(5)

MOMENT = int(NOW.timestamp())
TOKEN = "opaque-canary"
ACTIVE: Json = {"active": True, "scope": "patient/RiskAssessment.rs", "patient": "p"}
SENT = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def server() -> Iterator[Introspector]:
    with introspector() as found:
        found.tokens[TOKEN] = dict(ACTIVE)
        yield found


@pytest.fixture
def west(server: Introspector, tmp_path: Path) -> Hospital:
    return introspecting("west", server.address, tmp_path, signing_key("as-1"))


async def test_an_active_token_reads_its_patient(
    west: Hospital, server: Introspector, tmp_path: Path
) -> None:
    async with reading(tmp_path, west) as service:
        row = await add(service.store, "west", patient_id="p")
        found = await service.get("/assessments", SENT, patient="p")
        other = await service.get("/assessments", SENT, patient="q")
    assert [each["id"] for each in found.json()["assessments"]] == [row["uuid"]]
    assert other.status_code == 403
    ((path, form, authorization),) = server.asked
    assert path == "/introspect"
    assert form == {"token": [TOKEN], "token_type_hint": ["access_token"]}
    basic = base64.b64decode(authorization.removeprefix("Basic ")).decode()
    assert basic == "read+mit:s3+cret%3A%25"


REFUSED: dict[str, tuple[Json, str]] = {
    "not active": ({"active": False}, "token_inactive"),
    "says nothing": ({}, "token_inactive"),
    "active as text": (ACTIVE | {"active": "true"}, "token_inactive"),
    "expired": (ACTIVE | {"exp": MOMENT - 31}, "token_expired"),
    "an end that is text": (ACTIVE | {"exp": "soon"}, "claim_malformed"),
    "not yet": (ACTIVE | {"nbf": MOMENT + 31}, "token_not_yet_valid"),
    "other issuer": (ACTIVE | {"iss": "https://as.evil"}, "issuer_unknown"),
    "other audience": (ACTIVE | {"aud": "https://other"}, "audience_mismatch"),
    "other audiences": (ACTIVE | {"aud": ["https://other"]}, "audience_mismatch"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_and_why(
    case: str,
    west: Hospital,
    server: Introspector,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.tokens[TOKEN], reason = REFUSED[case]
    async with reading(tmp_path, west) as service:
        assert (await service.get("/assessments", SENT, patient="p")).status_code == 401
    written = capsys.readouterr().err
    assert answered(written)["refused"] == reason
    assert TOKEN not in written


OUTAGES: dict[str, tuple[Json, str]] = {
    "error": ({"status": 500}, "status"),
    "our own secret is wrong": ({"status": 401}, "status"),
    "redirect": ({"status": 302}, "status"),
    "not json": ({"body": b"<html>"}, "not_json"),
    "not an object": ({"body": b"[]"}, "not_json"),
    "too large": ({"body": b" " * 70_000}, "too_large"),
}


@pytest.mark.parametrize("case", OUTAGES)
async def test_while_it_cannot_say_nobody_reads(
    case: str,
    west: Hospital,
    server: Introspector,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fields, word = OUTAGES[case]
    for name, value in fields.items():
        setattr(server, name, value)
    async with reading(tmp_path, west) as service:
        answer = await service.get("/assessments", SENT, patient="p")
    assert answer.status_code == 503
    assert answer.json()["issue"][0]["code"] == "transient"
    assert answered(capsys.readouterr().err)["unchecked"] == word


async def test_a_server_that_does_not_answer(
    west: Hospital,
    server: Introspector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("cds_service.api.introspection.TIMEOUT_S", 0.2)
    server.answers = False
    async with reading(tmp_path, west) as service:
        assert (await service.get("/assessments", SENT, patient="p")).status_code == 503
    assert answered(capsys.readouterr().err)["unchecked"] == "timeout"


async def test_an_answer_is_kept_for_half_a_minute_and_never_past_the_end(
    west: Hospital, server: Introspector, tmp_path: Path
) -> None:
    clock = Clock()
    server.tokens[TOKEN] = ACTIVE | {"exp": MOMENT + 40}
    async with reading(tmp_path, west, clock=clock) as service:

        async def asked() -> tuple[int, int]:
            answer = await service.get("/assessments", SENT, patient="p")
            return answer.status_code, len(server.asked)

        assert await asked() == (200, 1)
        clock.move(seconds=29)
        assert await asked() == (200, 1)
        clock.move(seconds=1)
        assert await asked() == (200, 2)
        clock.move(seconds=10)  # its end: asked again, though an answer is ten seconds old
        server.tokens[TOKEN] = {"active": False}
        assert await asked() == (401, 3)


async def test_a_revoked_token_reads_half_a_minute_longer_at_most(
    west: Hospital, server: Introspector, tmp_path: Path
) -> None:
    clock = Clock()
    async with reading(tmp_path, west, clock=clock) as service:
        found = []
        for seconds in (0, 10, 20):
            clock.move(seconds=seconds)
            found.append((await service.get("/assessments", SENT, patient="p")).status_code)
            server.tokens[TOKEN] = {"active": False}
    assert found == [200, 200, 401]


async def test_an_outage_is_not_kept(west: Hospital, server: Introspector, tmp_path: Path) -> None:
    async with reading(tmp_path, west) as service:
        server.status = 500
        assert (await service.get("/assessments", SENT, patient="p")).status_code == 503
        server.status = 200
        assert (await service.get("/assessments", SENT, patient="p")).status_code == 200


async def test_a_json_web_token_of_its_issuer_is_asked_about_and_anothers_is_not(
    west: Hospital, north: Hospital, server: Introspector, tmp_path: Path
) -> None:
    token = west.access_token()
    server.tokens[token] = ACTIVE
    async with reading(tmp_path, west, north) as service:
        assert (await service.get("/assessments", north.bearer(), patient="p")).status_code == 200
        assert server.asked == []
        sent = {"Authorization": f"Bearer {token}"}
        assert (await service.get("/assessments", sent, patient="p")).status_code == 200
        stranger = north.bearer(iss="https://as.evil")
        assert (await service.get("/assessments", stranger)).status_code == 401
    assert len(server.asked) == 1


async def test_no_more_answers_are_kept_than_have_room(server: Introspector) -> None:
    api = Api(
        issuer="i",
        audience=AUDIENCE,
        introspection=server.address,
        client_id="c",
        secret_file=Path("s"),
    )
    http = outgoing_client()
    asking: Any = Introspection(api, "secret", http, 30)  # type: ignore[arg-type]
    for number in range(MOST_KEPT + 5):
        asking._keep(str(number), ACTIVE, NOW)
    assert len(asking._kept) == MOST_KEPT
    assert "0" not in asking._kept
    await http.aclose()
