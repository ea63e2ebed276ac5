"""Launches that must not succeed: each ends on a page that says what to do, and nothing is read."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.smart.problems import PROBLEMS
from tests.security.clients import PUBLIC, Clock
from tests.security.logs import answered
from tests.smart.ehr.state import FakeEhr
from tests.smart.signing_in import Readmit, authorized, entry, problem, serving

pytestmark = pytest.mark.sampled(8)

ELSEWHERE = "https://ehr.another.example/fhir"


def remedy(answer: httpx.Response) -> str:
    """What the page tells the user to do; every problem has something."""
    code = problem(answer)
    words = next(each for name, each in PROBLEMS.items() if name == code)
    assert answer.status_code == words.status
    assert "<h2>What to do</h2>" in answer.text
    return code


@pytest.mark.parametrize(
    "query", [{}, {"iss": ELSEWHERE}, {"launch": "l"}, {"iss": "", "launch": ""}]
)
async def test_a_launch_without_its_parameters(query: dict[str, str], readmit: Readmit) -> None:
    assert remedy(await readmit.get("/smart/launch", params=query)) == "launch_incomplete"


@pytest.mark.parametrize(
    "iss",
    [
        ELSEWHERE,
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "//",
        "http://[",
        "\ud800",
        "x" * 9999,
    ],
)
async def test_a_server_that_is_not_listed_is_never_asked(
    iss: str, readmit: Readmit, north: FakeEhr
) -> None:
    before = len(north.requests)
    asked = {"iss": iss.encode("utf-8", "surrogatepass"), "launch": "l"}
    for path in ("/smart/launch", "/smart/standalone"):
        answer = await readmit.get(path, params=asked)
        assert remedy(answer) == "server_unknown"
        assert "location" not in answer.headers
        assert answer.headers.get("set-cookie") is None
    assert len(north.requests) == before


async def test_an_address_that_only_begins_like_a_listed_one(
    readmit: Readmit, north: FakeEhr
) -> None:
    for iss in (f"{north.base}.another.example", f"{north.base}/more", f"{north.base}?a=b"):
        answer = await readmit.get("/smart/launch", params={"iss": iss, "launch": "l"})
        assert remedy(answer) == "server_unknown"


@pytest.mark.parametrize(
    ("configuration", "code"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, "pkce_refused"),
        ({"code_challenge_methods_supported": []}, "pkce_refused"),
        ({"token_endpoint": None}, "server_unsuitable"),
        ({"authorization_endpoint": None}, "server_unsuitable"),
        ({"capabilities": None}, "server_unsuitable"),
        ({"jwks_uri": None}, "server_unsuitable"),
        ({"issuer": None}, "server_unsuitable"),
        ({"grant_types_supported": ["client_credentials"]}, "server_unsuitable"),
        ({"token_endpoint": "http://ehr.another.example/token"}, "server_unsuitable"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "server_unsuitable"),
        ({"authorization_endpoint": 7}, "server_unsuitable"),
    ],
)
async def test_a_server_that_cannot_sign_in_safely(
    configuration: dict[str, Any], code: str, readmit: Readmit, north: FakeEhr
) -> None:
    with north.failing(configuration=configuration):
        assert remedy(await readmit.launch(north)) == code


@pytest.mark.parametrize("status", [404, 500, 302])
async def test_a_server_that_says_nothing(status: int, readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(configuration_status=status):
        assert remedy(await readmit.launch(north)) == "server_unavailable"
        assert remedy(await readmit.launch(north)) == "server_unavailable"
    readmit.clock.move(seconds=6)
    assert (await readmit.launch(north)).status_code == 303


async def test_a_server_is_asked_about_itself_every_few_minutes(
    readmit: Readmit, north: FakeEhr, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (await readmit.launch(north)).status_code == 303
    with north.failing(configuration={"token_endpoint": None}):
        assert (await readmit.launch(north)).status_code == 303
        readmit.clock.move(minutes=6)
        capsys.readouterr()
        assert problem(await readmit.launch(north)) == "server_unsuitable"
    line = answered(capsys.readouterr().err)
    assert (line["problem"], line["discovery"]) == ("server_unsuitable", "token_endpoint")
    readmit.clock.move(minutes=6)


async def test_a_state_that_was_not_begun_here(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(wrong_state=True):
        assert remedy(await readmit.sign_in(north)) == "state_unknown"
    with north.failing(no_state=True):
        assert remedy(await readmit.sign_in(north)) == "state_unknown"
    assert north.asked("/auth/token") == []


async def test_a_state_is_good_once(readmit: Readmit, north: FakeEhr) -> None:
    back = await authorized(await readmit.launch(north))
    assert (await readmit.get(back)).status_code == 303
    assert remedy(await readmit.get(back)) == "state_unknown"
    assert remedy(await readmit.another_browser().get(back)) == "state_unknown"


async def test_a_state_is_good_for_ten_minutes(readmit: Readmit, north: FakeEhr) -> None:
    back = await authorized(await readmit.launch(north))
    readmit.clock.move(minutes=10)
    assert remedy(await readmit.get(back)) == "state_unknown"


async def test_a_browser_that_kept_back_the_cookie_is_told_how_to_go_on(
    readmit: Readmit, north: FakeEhr
) -> None:
    back = await authorized(await readmit.launch(north))
    other = readmit.another_browser()
    answer = await other.get(back)
    assert remedy(answer) == "cookie_missing"
    assert "frame-ancestors https://ehr.north.example" in answer.headers["content-security-policy"]
    assert 'target="_blank"' in answer.text
    link = answer.text.partition('href="/smart/standalone')[2].partition('"')[0]
    begun = await other.get(f"/smart/standalone{link.replace('&amp;', '&')}")
    assert (await (other.page(await other.follow(begun))).told())["kind"] == "patient"
    assert (await readmit.get(back)).status_code == 303  # whose sign-in it is may still finish it


async def test_another_browsers_sign_in_cannot_be_finished(
    readmit: Readmit, north: FakeEhr
) -> None:
    begun = await readmit.launch(north)
    back = await authorized(begun)
    name = begun.headers["set-cookie"].partition("=")[0]
    thief = readmit.another_browser()
    answer = await thief.http.get(back, headers={"cookie": f"{name}=guessed"})
    assert remedy(answer) == "state_unknown"
    assert (await readmit.get(back)).status_code == 303


async def test_consent_that_was_denied(
    readmit: Readmit, north: FakeEhr, capsys: pytest.CaptureFixture[str]
) -> None:
    with north.failing(denied=True):
        answer = await readmit.sign_in(north)
    assert remedy(answer) == "consent_denied"
    assert answer.headers.get_list("set-cookie")[0].find("Max-Age=0") > 0
    assert answered(capsys.readouterr().err)["tenant"] == "north"


async def test_another_error_of_the_authorization_server(
    readmit: Readmit, north: FakeEhr, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, told in (("invalid_scope", "invalid_scope"), ("<b>Margaret</b>", "other")):
        back = httpx.URL(await authorized(await readmit.launch(north)))
        said = {"state": back.params["state"], "error": error, "error_description": "Margaret"}
        answer = await readmit.get("/smart/callback", params=said)
        assert remedy(answer) == "authorization_refused"
        assert "Margaret" not in answer.text
        assert answered(capsys.readouterr().err)["oauth_error"] == told


async def test_an_answer_of_another_server(readmit: Readmit, north: FakeEhr) -> None:
    back = await authorized(await readmit.launch(north))
    assert remedy(await readmit.get(f"{back}&iss=https://evil.example")) == "other_server"
    back = await authorized(await readmit.launch(north))
    assert (await readmit.get(f"{back}&iss={north.base}")).status_code == 303


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("invalid_grant", "code_refused"),
        ("invalid_client", "client_refused"),
        ("unauthorized_client", "client_refused"),
        ("invalid_request", "authorization_refused"),
    ],
)
async def test_a_code_that_is_not_exchanged(
    error: str, code: str, readmit: Readmit, north: FakeEhr
) -> None:
    with north.failing(token_error=error):
        assert remedy(await readmit.sign_in(north)) == code


@pytest.mark.parametrize(
    "response",
    [
        {"access_token": None},
        {"access_token": ""},
        {"access_token": "two\nlines"},
        {"access_token": 7},
        {"token_type": "DPoP"},
        {"token_type": None},
    ],
)
async def test_a_token_response_that_cannot_be_used(
    response: dict[str, Any], readmit: Readmit, north: FakeEhr
) -> None:
    with north.failing(token_response=response):
        assert remedy(await readmit.sign_in(north)) == "token_unusable"


async def test_a_sign_in_without_a_patient(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(without_patient=True):
        assert remedy(await readmit.sign_in(north)) == "patient_missing"
    for patient in ("", 17, ["a"], "x" * 256):
        with north.failing(token_response={"patient": patient}):
            assert remedy(await readmit.sign_in(north)) == "patient_missing"


@pytest.mark.parametrize("fault", ["signature", "aud", "iss", "nonce", "exp", "alg none"])
async def test_an_id_token_that_does_not_hold(fault: Any, readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(id_token=fault):
        assert remedy(await readmit.sign_in(north)) == "identity_unproven"


@pytest.mark.parametrize("id_token", ["", "a.b", "a.b.c", "e30.e30.e30", "x" * 20_000, 7, "é.é.é"])
async def test_an_id_token_that_is_none(id_token: Any, readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(token_response={"id_token": id_token}):
        assert remedy(await readmit.sign_in(north)) == "identity_unproven"


async def test_a_server_that_does_not_say_who_the_user_is(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(id_token="missing"):
        page = await readmit.session(north)
    assert (await page.told())["user"] is None


async def test_pages_under_smart_are_for_people(readmit: Readmit) -> None:
    for path in ("/smart/", "/smart/unknown", "/smart/static/app.exe", "/smart/static/..%2fapp.py"):
        answer = await readmit.get(path)
        assert (answer.status_code, remedy(answer)) == (404, "not_found")
    style = await readmit.get("/smart/static/problem.css")
    assert (style.status_code, style.headers["content-type"][:8]) == (200, "text/css")


async def test_an_address_that_cannot_be_read_is_a_page_too(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    answer = await readmit.get(f"/smart/s/{page.id}/received/0b8f9a52/Margaret")
    assert (remedy(answer), "Margaret" in answer.text) == ("not_found", False)


async def test_a_database_that_does_not_answer_is_a_page_too(
    readmit: Readmit, north: FakeEhr, tmp_path: Path
) -> None:
    async with readmit.state.store.database.writing() as connection:
        await connection.exec_driver_sql("ALTER TABLE smart_launch RENAME TO elsewhere")
    answer = await readmit.launch(north)
    assert remedy(answer) == "store_unavailable"


async def test_every_page_is_safe_to_show(readmit: Readmit, north: FakeEhr) -> None:
    answer = await readmit.get("/smart/launch", params={"iss": "<script>", "launch": "<script>"})
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
    assert {"referrer-policy", "cache-control", "x-content-type-options"} <= set(answer.headers)
    assert "<script" not in answer.text
    assert "style=" not in answer.text


async def test_a_tenant_without_frames_is_in_none(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    told = entry("north", north.base).replace('"https://ehr.north.example"', "")
    async with serving(tmp_path, told, clock=clock) as readmit:
        with north.failing(denied=True):
            answer = await readmit.sign_in(north)
    assert answer.headers["content-security-policy"].endswith("frame-ancestors 'none'")
    assert PUBLIC not in answer.text
