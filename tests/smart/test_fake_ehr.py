"""The fake EHR itself: it grants what is in order, and nothing else."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc.util import urlsafe_b64encode

from tests.smart.ehr import faults
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import ENCOUNTER, INTROSPECTOR, PATIENT, FakeEhr

BACK = "https://readmit.example/smart/callback"
VERIFIER = "v" * 43
SCOPE = "launch openid fhirUser offline_access patient/Patient.rs patient/Observation.rs"


@pytest.fixture(scope="module")
def ehr() -> Iterator[FakeEhr]:
    with fake_ehr() as started:
        started.register("readmit", BACK)
        yield started


def authorized(ehr: FakeEhr, **changed: str) -> dict[str, str]:
    """What comes back to the app."""
    asked = {
        "response_type": "code",
        "client_id": "readmit",
        "redirect_uri": BACK,
        "scope": SCOPE,
        "state": "s" * 22,
        "aud": ehr.base,
        "launch": ehr.launch(app_context="an-assessment"),
        "code_challenge": urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode(),
        "code_challenge_method": "S256",
        "nonce": "n",
    }
    answer = httpx.get(f"{ehr.auth}/authorize", params=asked | changed)
    assert answer.status_code == 303, answer.text
    return {
        key: each for key, (each,) in parse_qs(urlsplit(answer.headers["location"]).query).items()
    }


def tokens(ehr: FakeEhr, **form: str) -> httpx.Response:
    sent = {"client_id": "readmit", "redirect_uri": BACK, "code_verifier": VERIFIER}
    return httpx.post(f"{ehr.auth}/token", data={"grant_type": "authorization_code"} | sent | form)


def granted(ehr: FakeEhr) -> dict[str, Any]:
    return tokens(ehr, code=authorized(ehr)["code"]).json()


def get(ehr: FakeEhr, path: str, token: str) -> httpx.Response:
    return httpx.get(f"{ehr.base}/{path}", headers={"Authorization": f"Bearer {token}"})


def test_a_launch_in_order_is_granted_with_its_context(ehr: FakeEhr) -> None:
    told = granted(ehr)
    assert (told["patient"], told["encounter"]) == (PATIENT, ENCOUNTER)
    assert (told["appContext"], told["scope"]) == ("an-assessment", SCOPE)
    assert told["id_token"].count(".") == 2


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"aud": "https://another.example"}, "invalid_request"),
        ({"launch": "nobody-made-it"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_what_is_not_in_order_is_refused(ehr: FakeEhr, changed: Any, error: str) -> None:
    assert authorized(ehr, **changed)["error"] == error


def test_a_code_is_good_once_and_with_its_verifier(ehr: FakeEhr) -> None:
    code = authorized(ehr)["code"]
    assert tokens(ehr, code=code).status_code == 200
    assert tokens(ehr, code=code).json()["error"] == "invalid_grant"
    wrong = tokens(ehr, code=authorized(ehr)["code"], code_verifier="w" * 43)
    assert wrong.json()["error"] == "invalid_grant"


def test_a_refresh_token_that_comes_twice_ends_the_family(ehr: FakeEhr) -> None:
    first = granted(ehr)
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = tokens(ehr, **refresh).json()
    assert get(ehr, f"Patient/{PATIENT}", second["access_token"]).status_code == 200
    assert tokens(ehr, **refresh).status_code == 400
    assert get(ehr, f"Patient/{PATIENT}", second["access_token"]).status_code == 401
    rest = tokens(ehr, grant_type="refresh_token", refresh_token=second["refresh_token"])
    assert rest.status_code == 400


def test_fhir_is_read_as_far_as_the_token_goes(ehr: FakeEhr) -> None:
    token = granted(ehr)["access_token"]
    found = get(ehr, f"Observation?patient={PATIENT}&_count=5", token).json()
    assert (len(found["entry"]), found["link"][0]["relation"]) == (5, "next")
    assert get(ehr, f"Condition?patient={PATIENT}", token).status_code == 403
    assert get(ehr, "Observation?patient=hospice-patient-1", token).status_code == 403
    assert get(ehr, "Patient/hospice-patient-1", token).status_code == 403
    assert get(ehr, f"Patient/{PATIENT}", "nobody's").status_code == 401
    with ehr.failing(fhir_status={"Observation": 503}):
        assert get(ehr, f"Observation?patient={PATIENT}", token).status_code == 503


def test_less_is_granted_when_told(ehr: FakeEhr) -> None:
    with ehr.failing(granted=faults.without("Observation")):
        token = granted(ehr)
    assert "Observation" not in token["scope"]
    with ehr.failing(granted=faults.only_category("Observation", "vital-signs")):
        token = granted(ehr)["access_token"]
    vitals = get(ehr, f"Observation?patient={PATIENT}", token).json()
    assert {each["resource"]["category"][0]["coding"][0]["code"] for each in vitals["entry"]} == {
        "vital-signs"
    }
    with ehr.failing(granted=faults.v1):
        old = granted(ehr)
    assert "patient/Observation.read" in old["scope"]
    assert get(ehr, f"Observation?patient={PATIENT}", old["access_token"]).status_code == 200


def test_introspection_says_whose_token_it_is(ehr: FakeEhr) -> None:
    asked = {"token": granted(ehr)["access_token"]}
    told = httpx.post(f"{ehr.auth}/introspect", data=asked, auth=INTROSPECTOR).json()
    assert (told["active"], told["patient"]) == (True, PATIENT)
    ehr.expire_all()
    told = httpx.post(f"{ehr.auth}/introspect", data=asked, auth=INTROSPECTOR).json()
    assert told == {"active": False}
