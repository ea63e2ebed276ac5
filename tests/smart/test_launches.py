"""Both launches from the first redirect to a session, as SMART App Launch 2.2 has them."""

from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from joserfc.util import urlsafe_b64encode

from tests.security.clients import PUBLIC, Clock
from tests.smart.ehr import faults
from tests.smart.ehr.state import ENCOUNTER, PATIENT, USER, FakeEhr
from tests.smart.signing_in import (
    CALLBACK,
    Readmit,
    asked,
    authorized,
    entry,
    problem,
    serving,
)

pytestmark = pytest.mark.sampled(6)

ASSESSMENT = "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"


async def test_an_ehr_launch_signs_in_for_its_patient(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north, app_context=ASSESSMENT)
    told = await page.told()
    assert (told["tenant"], told["iss"], told["kind"]) == ("north", north.base, "patient")
    assert (told["patient"], told["encounter"]) == (PATIENT, ENCOUNTER)
    assert told["user"] == f"{north.base}/{USER}"
    assert (told["app_context"], told["needs_banner"]) == (ASSESSMENT, False)
    assert {"Patient", "Encounter", "Observation"} <= set(told["granted"])
    assert told["narrowed"] == told["denied"] == []


async def test_what_the_authorization_server_is_asked(readmit: Readmit, north: FakeEhr) -> None:
    begun = await readmit.launch(north)
    sent = asked(begun)
    assert sent["response_type"] == "code"
    assert (sent["client_id"], sent["redirect_uri"], sent["aud"]) == (
        "readmit",
        CALLBACK,
        north.base,
    )
    assert sent["code_challenge_method"] == "S256"
    assert len(sent["state"]) >= 22
    assert len(sent["nonce"]) >= 22
    scopes = sent["scope"].split()
    assert {"launch", "openid", "fhirUser", "offline_access", "patient/Patient.rs"} <= set(scopes)
    assert not [each for each in scopes if "*" in each or each.startswith("launch/")]
    assert begun.headers["referrer-policy"] == "no-referrer"
    assert begun.headers["cache-control"] == "no-store"


async def test_the_verifier_is_that_of_the_challenge(readmit: Readmit, north: FakeEhr) -> None:
    begun = await readmit.launch(north)
    await readmit.follow(begun)
    verifier = north.asked("/auth/token")[-1]["code_verifier"]
    digest = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode()
    assert (asked(begun)["code_challenge"], len(verifier) in range(43, 129)) == (digest, True)


async def test_states_nonces_and_challenges_are_never_the_same(
    readmit: Readmit, north: FakeEhr
) -> None:
    begun = [asked(await readmit.launch(north)) for _ in range(5)]
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in begun}) == 5


async def test_cookies_are_for_frames_of_another_site(readmit: Readmit, north: FakeEhr) -> None:
    begun = await readmit.launch(north)
    answer = await readmit.follow(begun)
    (started,) = begun.headers.get_list("set-cookie")
    signed_in, gone = answer.headers.get_list("set-cookie")
    page = readmit.page(answer)
    for each in (started, signed_in, gone):
        assert each.startswith("__Secure-readmit")
        assert {"Secure", "HttpOnly", "SameSite=None", "Partitioned"} <= set(each.split("; "))
    assert "Path=/smart/callback" in started
    assert "Max-Age=600" in started
    assert f"Path=/smart/s/{page.id}/;" in signed_in
    assert "Max-Age=0" in gone
    assert started.partition("=")[0] == gone.partition("=")[0]


async def test_a_standalone_launch_asks_for_the_patient(readmit: Readmit, north: FakeEhr) -> None:
    begun = await readmit.get("/smart/standalone")
    assert {"launch/patient", "launch/encounter"} <= set(asked(begun)["scope"].split())
    assert "launch" not in asked(begun)
    told = await readmit.page(await readmit.follow(begun)).told()
    assert (told["patient"], told["kind"]) == (PATIENT, "patient")


async def test_the_encounter_may_come_as_fhir_context(readmit: Readmit, north: FakeEhr) -> None:
    said = ({"reference": "List/l1"}, {"reference": f"{north.base}/Encounter/{ENCOUNTER}"})
    page = await readmit.session(north, encounter=None, fhir_context=said)
    assert (await page.told())["encounter"] == ENCOUNTER


async def test_without_a_stay_the_session_has_none(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(without_encounter=True):
        page = await readmit.session(north)
    assert (await page.told())["encounter"] is None


async def test_a_banner_is_needed_unless_the_ehr_says_not(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(token_response={"need_patient_banner": "no"}):
        page = await readmit.session(north)
    assert (await page.told())["needs_banner"]


async def test_a_server_of_smart_1_is_asked_in_its_words(readmit: Readmit, north: FakeEhr) -> None:
    old = {
        "capabilities": ["launch-ehr", "sso-openid-connect", "permission-v1"],
        "scopes_supported": ["launch", "openid", "patient/*.read"],
        "code_challenge_methods_supported": None,
        "grant_types_supported": None,
    }
    with north.failing(configuration=old, granted=faults.v1):
        begun = await readmit.launch(north)
        page = readmit.page(await readmit.follow(begun))
    scopes = asked(begun)["scope"].split()
    assert "patient/Observation.read" in scopes
    assert not [each for each in scopes if each.endswith((".rs", "_access"))]
    assert asked(begun)["code_challenge_method"] == "S256"  # PKCE is sent all the same
    assert (await page.told())["denied"] == []


async def test_a_server_may_grant_wildcards(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(token_response={"scope": "launch openid patient/*.rs"}):
        page = await readmit.session(north)
    assert (await page.told())["denied"] == []


async def test_what_was_not_granted_is_known(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(granted=faults.without("Condition", "Coverage")):
        told = await (await readmit.session(north)).told()
    assert told["denied"] == [each for each in ("Condition", "Coverage") if each in told["denied"]]
    assert "Condition" in told["denied"]
    assert "Condition" not in told["granted"]
    with north.failing(granted=faults.only_category("Observation", "vital-signs")):
        told = await (await readmit.session(north)).told()
    assert (told["narrowed"], told["denied"]) == (["Observation"], [])


async def test_behind_a_path_of_a_proxy(tmp_path: Path, north: FakeEhr, clock: Clock) -> None:
    north.register("behind", f"{PUBLIC}/at/smart/callback")
    told = entry("north", north.base, client_id="behind")
    async with serving(tmp_path, told, clock=clock, public_url=f"{PUBLIC}/at") as readmit:
        begun = await readmit.launch(north)
        assert "Path=/at/smart/callback;" in begun.headers["set-cookie"]
        back = httpx.URL(await authorized(begun))
        assert back.path == "/at/smart/callback"
        cookie = begun.headers["set-cookie"].partition(";")[0]
        answer = await readmit.http.get(
            f"/smart/callback?{back.query.decode()}", headers={"cookie": cookie}
        )
    assert answer.headers["location"].startswith(f"{PUBLIC}/at/smart/s/")
    assert "Path=/at/smart/s/" in answer.headers.get_list("set-cookie")[0]


async def test_two_organisations_are_told_apart(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    north_alias = north.base.replace("127.0.0.1", "localhost")
    entries = (
        entry("north", north.base, title="North & Sons"),
        entry("south", north_alias, client_id="south"),
    )
    async with serving(tmp_path, *entries, clock=clock) as readmit:
        listed = await readmit.get("/smart/standalone")
        assert "North &amp; Sons" in listed.text
        assert "south" in listed.text
        assert "<script" not in listed.text
        begun = await readmit.get("/smart/standalone", params={"iss": north_alias})
        assert (asked(begun)["client_id"], asked(begun)["aud"]) == ("south", north_alias)
        page = await readmit.session(north)
        assert (await page.told())["tenant"] == "north"


async def test_without_an_organisation_the_page_says_so(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    told = entry("north", north.base).partition("[tenant.smart]")[0]
    async with serving(tmp_path, told, clock=clock) as readmit:
        answer = await readmit.get("/smart/standalone")
        assert (answer.status_code, "tenant.smart" in answer.text) == (404, True)
        assert problem(await readmit.launch(north)) == "server_unknown"
