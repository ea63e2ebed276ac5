"""The EHR behind the demonstration page: it launches the app, signs it in, and lets it read a chart."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64encode

from cds_service.web.ehr_server.charts import Charts
from cds_service.web.ehr_server.issued import Issued
from cds_service.web.ehr_server.routes import ehr_server_router
from cds_service.web.ehr_server.search import searchset
from cds_service.web.gallery import Gallery
from fhir_mapping.prefetch import PREFETCH, Template
from tests.security.clients import Clock, signing_key, trusting
from tests.security.clients import Ehr as Client
from tests.service.running import running

pytestmark = pytest.mark.sampled(10)

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = [line["name"] for line in json.loads((EXAMPLES / "index.json").read_bytes())]
NOW = datetime(2027, 3, 4, 12, tzinfo=UTC)
ADDRESS = "http://127.0.0.1:8000"
BASE = f"{ADDRESS}/dev/fhir"
PATIENT, STAY = "margaret-heart-failure-patient-1", "margaret-heart-failure-stay-1"
VERIFIER = "v" * 43
KEY, JKU = signing_key(), "https://north.example/jwks"
SCOPE = "launch openid fhirUser offline_access patient/Patient.rs"
GALLERY = Gallery(EXAMPLES)
CHARTS = Charts(GALLERY, lambda: NOW)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
async def ehr(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI(redirect_slashes=False)
    app.include_router(ehr_server_router(Charts(GALLERY, clock), ADDRESS, clock=clock))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS) as http:
        yield http


async def launched(ehr: httpx.AsyncClient, **opened: str) -> str:
    sent = {"patient": PATIENT, "encounter": STAY, "appContext": "an-assessment"} | opened
    told = (await ehr.post("/dev/launch", json=sent)).json()
    assert told["iss"] == BASE
    return str(told["launch"])


def asked(**changed: str) -> dict[str, str]:
    challenge = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode()
    usual = {
        "response_type": "code",
        "client_id": "readmit",
        "redirect_uri": f"{ADDRESS}/smart/callback",
        "scope": SCOPE,
        "state": "s" * 22,
        "aud": BASE,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "nonce": "of-this-launch",
    }
    return usual | changed


async def authorized(ehr: httpx.AsyncClient, **changed: str) -> dict[str, str]:
    """What the browser brings back to the app."""
    changed.setdefault("launch", await launched(ehr))
    answer = await ehr.get("/dev/auth/authorize", params=asked(**changed))
    assert answer.status_code == 303
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{ADDRESS}/smart/callback"
    return dict(parse_qsl(address.query))


async def token(ehr: httpx.AsyncClient, **form: str) -> httpx.Response:
    usual = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
    return await ehr.post("/dev/auth/token", data=usual | form)


async def granted(ehr: httpx.AsyncClient, **changed: str) -> dict[str, Any]:
    back = await authorized(ehr, **changed)
    answer = await token(ehr, code=back["code"])
    assert answer.status_code == 200
    return dict(answer.json())


async def fhir(ehr: httpx.AsyncClient, path: str, access: str) -> httpx.Response:
    return await ehr.get(f"/dev/fhir/{path}", headers={"Authorization": f"Bearer {access}"})


async def test_a_launch_gives_the_chart_and_what_the_card_carried(ehr: httpx.AsyncClient) -> None:
    told = await granted(ehr)
    assert (told["patient"], told["encounter"]) == (PATIENT, STAY)
    assert (told["appContext"], told["need_patient_banner"]) == ("an-assessment", False)
    keys = KeySet.import_key_set((await ehr.get("/dev/auth/jwks")).json())
    claims = jwt.decode(told["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["iss"], claims["aud"]) == (BASE, "readmit")
    assert (claims["nonce"], claims["fhirUser"]) == (
        "of-this-launch",
        f"{BASE}/Practitioner/example-clinician",
    )


async def test_the_configuration_names_what_is_served(ehr: httpx.AsyncClient) -> None:
    told = (await ehr.get("/dev/fhir/.well-known/smart-configuration")).json()
    assert told["code_challenge_methods_supported"] == ["S256"]
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        assert (await ehr.get(told[name])).status_code in (200, 400, 405)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"aud": "https://another.example"}, "invalid_request"),
        ({"launch": "nobody-made-it"}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"scope": ""}, "invalid_scope"),
    ],
)
async def test_a_request_out_of_order_comes_back_as_an_error(
    ehr: httpx.AsyncClient, changed: dict[str, str], error: str
) -> None:
    assert (await authorized(ehr, **changed))["error"] == error


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
async def test_nobody_else_is_sent_a_code(ehr: httpx.AsyncClient, name: str) -> None:
    changed = {name: "https://attacker.example/<b>"}
    answer = await ehr.get("/dev/auth/authorize", params=asked(**changed))
    assert answer.status_code == 400
    assert name in answer.text
    assert "attacker" not in answer.text


async def test_a_code_is_good_once_soon_and_with_its_verifier(
    ehr: httpx.AsyncClient, clock: Clock
) -> None:
    back = await authorized(ehr)
    assert (await token(ehr, code=back["code"])).status_code == 200
    assert (await token(ehr, code=back["code"])).json() == {"error": "invalid_grant"}
    back = await authorized(ehr)
    assert (await token(ehr, code=back["code"], code_verifier="w" * 43)).status_code == 400
    back = await authorized(ehr)
    clock.move(minutes=2)
    assert (await token(ehr, code=back["code"])).status_code == 400


async def test_refresh_tokens_rotate_and_access_tokens_end(
    ehr: httpx.AsyncClient, clock: Clock
) -> None:
    told = await granted(ehr)
    clock.move(minutes=11)
    assert (await fhir(ehr, f"Patient/{PATIENT}", told["access_token"])).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": told["refresh_token"]}
    second = (await token(ehr, **refresh)).json()
    assert (await fhir(ehr, f"Patient/{PATIENT}", second["access_token"])).status_code == 200
    assert (await token(ehr, **refresh)).status_code == 400


async def test_a_token_reads_one_chart(ehr: httpx.AsyncClient) -> None:
    access = (await granted(ehr))["access_token"]
    assert (await fhir(ehr, f"Encounter/{STAY}", access)).json()["id"] == STAY
    assert (await fhir(ehr, "Patient/hospice-patient-1", access)).status_code == 403
    assert (await fhir(ehr, "Patient/nobody", access)).status_code == 404
    others = (await fhir(ehr, "Condition?patient=hospice-patient-1", access)).json()
    assert others["total"] == 0
    assert (await fhir(ehr, f"Condition?patient={PATIENT}&severity=1", access)).status_code == 400
    assert (await fhir(ehr, f"Condition?patient={PATIENT}", "nobody's")).status_code == 401
    assert (await ehr.get(f"/dev/fhir/Patient/{PATIENT}")).status_code == 401


async def test_an_app_opened_alone_is_asked_for_a_chart(ehr: httpx.AsyncClient) -> None:
    alone = asked(scope="launch/patient patient/Patient.rs", state='"><b>')
    page = await ehr.get("/dev/auth/authorize", params=alone)
    assert page.text.count('name="chart"') == len(NAMES)
    assert "<b>" not in page.text
    answer = await ehr.post("/dev/auth/authorize", data=alone | {"chart": "hospice"})
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    told = (await token(ehr, code=code)).json()
    assert (told["patient"], told["need_patient_banner"]) == ("hospice-patient-1", True)
    assert "encounter" not in told


async def test_a_user_without_a_chart_gets_no_patient(ehr: httpx.AsyncClient) -> None:
    alone = asked(scope="openid fhirUser user/Encounter.rs")
    answer = await ehr.get("/dev/auth/authorize", params=alone)
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    assert "patient" not in (await token(ehr, code=code)).json()


@pytest.mark.parametrize("sent", [b"", b"[]", b'{"patient": 1}', b"x" * 70_000])
async def test_a_launch_of_nobody_is_refused(ehr: httpx.AsyncClient, sent: bytes) -> None:
    assert (await ehr.post("/dev/launch", content=sent)).status_code in (400, 413)


HIDDEN = (
    ("GET", "/"),
    ("GET", "/dev/patients"),
    ("POST", "/dev/launch"),
    ("GET", "/dev/auth/authorize"),
    ("POST", "/dev/auth/token"),
    ("GET", "/dev/auth/jwks"),
    ("GET", "/dev/fhir/.well-known/smart-configuration"),
    ("GET", "/dev/fhir/Patient"),
    ("GET", f"/dev/fhir/Patient/{PATIENT}"),
)


async def test_only_under_dev_is_any_of_it_there(tmp_path: Path) -> None:
    async with trusting(tmp_path, Client("north", "https://north.example", KEY, JKU)) as http:
        for method, path in HIDDEN:
            assert (await http.request(method, path)).status_code == 404, path
    async with running(tmp_path) as http:
        for method, path in HIDDEN:
            assert (await http.request(method, path)).status_code in (200, 400, 401), path


def matches(bundle: dict[str, Any]) -> set[str]:
    entries = bundle.get("entry", [])
    return {each["resource"]["id"] for each in entries if each["search"]["mode"] == "match"}


def included(bundle: dict[str, Any]) -> set[str]:
    entries = bundle.get("entry", [])
    return {each["resource"]["id"] for each in entries if each["search"]["mode"] == "include"}


SEARCHED = [each for each in PREFETCH if each.count is not None]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("template", SEARCHED, ids=lambda each: each.key)
def test_what_is_found_is_what_the_hook_is_sent(name: str, template: Template) -> None:
    """So that the app sees what the card saw. The examples send no codes that nothing reads."""
    request = GALLERY.patient(name, NOW.date())["discharge"]
    kind, _, query = template.filled(request["context"]).partition("?")
    parameters = parse_qs(query)
    found = searchset(CHARTS.resources(), kind, parameters, BASE)
    sent = request["prefetch"][template.key]
    unread = matches(sent) - matches(found) if "code" in parameters else set()
    assert matches(found) == matches(sent) - unread
    assert included(sent) <= included(found)


def test_a_long_answer_comes_in_pages() -> None:
    parameters = {"patient": [PATIENT], "_count": ["20"]}
    pages = [searchset(CHARTS.resources(), "Observation", parameters, BASE)]
    while links := pages[-1].get("link"):
        query = parse_qs(urlsplit(links[0]["url"]).query)
        pages.append(searchset(CHARTS.resources(), "Observation", query, BASE))
    assert [len(page["entry"]) for page in pages] == [20, 20, 4]
    assert len(set().union(*map(matches, pages))) == 44


def test_what_was_handed_out_is_bounded() -> None:
    issued = Issued[int](NOW - datetime(2027, 3, 4, 11, tzinfo=UTC))
    names = [issued.put(number, NOW) for number in range(1001)]
    assert [issued.get(name, NOW) for name in (names[0], names[-1])] == [None, 1000]
