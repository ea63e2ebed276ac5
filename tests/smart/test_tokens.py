"""Access tokens: replaced in time, by one caller, once; and how the app proves itself for them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64decode
from typer.testing import CliRunner

from cds_service.cli import app
from cds_service.errors import StartRefusedError
from cds_service.smart.app_keys import new_app_keys, read_app_keys
from tests.security.clients import PUBLIC, Clock
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import FakeEhr
from tests.smart.signing_in import CALLBACK, Page, Readmit, entry, problem, serving

pytestmark = pytest.mark.sampled(6)


async def token(page: Page, rejected: str | None = None) -> str:
    query = {"rejected": rejected} if rejected else {}
    answer = await page.browser.http.get(f"/smart/s/{page.id}/token", params=query)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()
    return found


def refreshes(ehr: FakeEhr) -> list[str]:
    return [each["refresh_token"] for each in ehr.asked("/auth/token") if "refresh_token" in each]


@pytest.fixture(autouse=True)
def nothing_asked(north: FakeEhr) -> None:
    north.requests.clear()


async def test_a_token_is_used_until_it_is_about_to_expire(
    readmit: Readmit, north: FakeEhr
) -> None:
    with north.failing(expires_in=300):
        page = await readmit.session(north)
    first = await token(page)
    readmit.clock.move(seconds=230)
    assert await token(page) == first
    readmit.clock.move(seconds=20)
    second = await token(page)
    assert second != first
    assert second in north.accesses
    assert await token(page) == second


async def test_each_refresh_token_is_used_once(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    found = [await token(page)]
    for _ in range(3):
        found.append(await token(page, rejected=found[-1]))
    assert len(set(found)) == 4
    assert len(set(refreshes(north))) == len(refreshes(north)) == 3


async def test_callers_at_once_share_one_refresh(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    first = await token(page)
    found = await asyncio.gather(*(token(page, rejected=first) for _ in range(12)))
    assert len(set(found)) == 1
    assert len(refreshes(north)) == 1


async def test_a_token_that_was_replaced_already_is_not_replaced_again(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    first = await token(page)
    second = await token(page, rejected=first)
    assert await token(page, rejected=first) == second


async def test_a_refresh_that_is_refused_ends_the_session(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    first = await token(page)
    with north.failing(refresh_refused=True):
        answer = await readmit.get(f"/smart/s/{page.id}/token", params={"rejected": first})
    assert (answer.status_code, problem(answer)) == (403, "access_ended")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"


async def test_a_refresh_token_that_somebody_else_used_ends_the_session(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    first = await token(page)
    for name, access in list(north.refreshes.items()):
        north.spent_refreshes[name] = access.family
    answer = await readmit.get(f"/smart/s/{page.id}/token", params={"rejected": first})
    assert problem(answer) == "access_ended"


async def test_without_a_refresh_token_the_session_ends_with_its_token(
    readmit: Readmit, north: FakeEhr
) -> None:
    with north.failing(without_refresh=True, expires_in=300):
        page = await readmit.session(north)
    readmit.clock.move(seconds=290)
    await token(page)
    readmit.clock.move(seconds=10)
    answer = await readmit.get(f"/smart/s/{page.id}/token")
    assert problem(answer) == "access_ended"


async def test_a_server_that_does_not_answer_ends_nothing(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(expires_in=300):
        page = await readmit.session(north)
    first = await token(page)
    readmit.clock.move(minutes=6)
    with north.failing(configuration_status=500):
        answer = await readmit.get(f"/smart/s/{page.id}/token")
        assert (answer.status_code, problem(answer)) == (502, "server_unavailable")
    readmit.clock.move(seconds=6)
    assert await token(page) != first


async def test_a_server_that_does_not_answer_before_the_token_expires(
    readmit: Readmit, north: FakeEhr
) -> None:
    readmit.clock.move(minutes=6)
    with north.failing(expires_in=330):
        page = await readmit.session(north)
    first = await token(page)
    readmit.clock.move(seconds=310)
    with north.failing(configuration_status=500):
        assert await token(page) == first
    readmit.clock.move(seconds=6)
    assert await token(page) != first


@pytest.mark.parametrize("said", [None, "soon", -1, 0, True, [], "3600", 3600.0])
async def test_a_server_may_say_anything_about_expiry(
    said: Any, readmit: Readmit, north: FakeEhr
) -> None:
    with north.failing(token_response={"expires_in": said}):
        page = await readmit.session(north)
    assert await token(page) == await token(page)


async def test_narrower_scopes_after_a_refresh_are_known(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    first = await token(page)
    for name, access in list(north.refreshes.items()):
        kept = tuple(each for each in access.scopes if "/Observation." not in each)
        north.refreshes[name] = type(access)(
            access.client_id, kept, access.context, access.family, access.expires
        )
    await token(page, rejected=first)
    assert (await page.told())["denied"] == ["Observation"]


@pytest.fixture(scope="module")
def app_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "app-keys.json"
    path.write_text(new_app_keys())
    return path


async def test_the_key_set_holds_no_private_key(
    app_keys: Path, tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    told = entry("north", north.base, auth="private_key")
    async with serving(tmp_path, told, clock=clock, app_keys=app_keys) as readmit:
        answer = await readmit.get("/.well-known/jwks.json")
    assert answer.headers["content-type"] == "application/json"
    keys = answer.json()["keys"]
    assert [each["alg"] for each in keys] == ["ES384", "RS384"]
    assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & {name for each in keys for name in each}
    KeySet.import_key_set(answer.json())


async def test_without_keys_the_key_set_is_empty(readmit: Readmit) -> None:
    assert (await readmit.get("/.well-known/jwks.json")).json() == {"keys": []}


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
async def test_an_app_that_signs(
    algorithm: str, app_keys: Path, tmp_path: Path, clock: Clock
) -> None:
    public = json.loads(read_app_keys(app_keys).public())
    with fake_ehr(clock=clock) as ehr:
        ehr.register("signing", CALLBACK, auth="private_key", jwks=public)
        told = entry(
            "north", ehr.base, client_id="signing", auth="private_key", algorithm=algorithm
        )
        async with serving(tmp_path, told, clock=clock, app_keys=app_keys) as readmit:
            page = await readmit.session(ehr)
            first = await token(page)
            assert await token(page, rejected=first) != first
        assertions = [each["client_assertion"] for each in ehr.asked("/auth/token")]
    assert len(set(assertions)) == 2
    header = _part(assertions[0], 0)
    assert (header["alg"], header["typ"]) == (algorithm, "JWT")
    assert header["jku"] == f"{PUBLIC}/.well-known/jwks.json"
    claims = _part(assertions[0], 1)
    assert claims["exp"] - claims["iat"] <= 300
    assert claims["jti"] != _part(assertions[1], 1)["jti"]


async def test_an_app_with_a_secret(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "secret").write_text("the:secret of 100%\n")
    with fake_ehr(clock=clock) as ehr:
        ehr.register("knowing", CALLBACK, auth="secret", secret="the:secret of 100%")
        told = entry("north", ehr.base, client_id="knowing", auth="secret", secret_file="secret")
        async with serving(tmp_path, told, clock=clock) as readmit:
            page = await readmit.session(ehr)
            first = await token(page)
            assert await token(page, rejected=first) != first
        (tmp_path / "secret").write_text("another")
        async with serving(tmp_path, told, clock=clock) as readmit:
            assert problem(await readmit.sign_in(ehr)) == "client_refused"


def _part(signed: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(urlsafe_b64decode(signed.split(".")[number].encode()))
    return found


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ((entry("north"),), "needs fhir_servers"),
        ((entry("north", "https://e.example/fhir", auth="private_key"),), "READMIT_APP_KEYS"),
        ((entry("north", "https://e.example/fhir", auth="secret"),), "secret_file"),
        ((entry("north", "https://e.example/fhir", secret_file="absent"),), "secret_file"),
        (
            (entry("north", "https://e.example/fhir", auth="secret", secret_file="absent"),),
            "cannot be read as a client secret",
        ),
        (
            (entry("north", "https://e.example/r4"), entry("south", "https://E.example:443/r4/")),
            "it may belong to one",
        ),
        ((entry("north", "https://e.example/fhir", algorithm="HS256"),), "algorithm"),
    ],
)
async def test_a_registration_that_cannot_work_stops_the_start(
    entries: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    with pytest.raises(StartRefusedError, match=words):
        async with serving(tmp_path, *entries):
            pass


@pytest.mark.parametrize("content", ["", "{}", '{"keys": []}', '{"keys": [{"kty": "oct"}]}', "[]"])
def test_a_file_without_app_keys_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(StartRefusedError, match="new-app-keys"):
        read_app_keys(tmp_path / "keys.json")


def test_app_keys_without_their_private_half_are_refused(app_keys: Path, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(read_app_keys(app_keys).public())
    with pytest.raises(StartRefusedError, match="new-app-keys"):
        read_app_keys(tmp_path / "keys.json")


def test_the_command_prints_keys_that_the_setting_takes(tmp_path: Path) -> None:
    printed = [CliRunner().invoke(app, ["new-app-keys"]).output for _ in range(2)]
    assert printed[0] != printed[1]
    (tmp_path / "keys.json").write_text(printed[0])
    keys = read_app_keys(tmp_path / "keys.json")
    for algorithm in ("ES384", "RS384"):
        assert keys.signing(algorithm)
