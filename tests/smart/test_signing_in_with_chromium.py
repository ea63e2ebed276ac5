"""Both launches of the SMART app, clicked through in Chromium, and every way in which they fail."""

from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from cds_service.smart.problems import Code
from tests.smart.ehr.faults import Tampered
from tests.smart.seen import is_signed_in, is_told, photograph
from tests.smart.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.sampled(2)]
PERSON = "Exampleford"


def test_an_ehr_launch_with_consent(page: Page, hospital: Site) -> None:
    ehr = hospital.ehrs["north"]
    ehr.consent = "page"
    assessment = hospital.assessment("north")
    page.goto(hospital.launch("north", app_context=assessment, need_patient_banner=True))
    photograph(page, "consent")
    page.get_by_role("button", name="Allow").click()
    is_signed_in(page)
    ehr.consent = "automatic"
    expect(page.locator("body")).to_contain_text(PERSON)
    photograph(page, "ehr-launch")
    asked = ehr.asked("/auth/authorize")[-1]
    assert asked["code_challenge_method"] == "S256"
    assert asked["aud"] == ehr.base


@pytest.mark.slow
def test_a_standalone_launch_from_the_choice_of_organisation(page: Page, hospital: Site) -> None:
    ehr = hospital.ehrs["north"]
    ehr.consent = "page"
    page.goto(f"{hospital.address}/smart/standalone")
    photograph(page, "organisations")
    page.get_by_role("link", name="North hospital").click()
    page.get_by_role("button", name="Allow").click()
    is_signed_in(page)
    ehr.consent = "automatic"
    photograph(page, "standalone-launch")
    assert "launch/patient" in ehr.asked("/auth/authorize")[-1]["scope"].split()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["south", "west"])
def test_an_app_that_proves_itself(page: Page, hospital: Site, name: str) -> None:
    """With its key, whose public half the EHR fetches from us; and with its secret."""
    page.goto(hospital.launch(name))
    is_signed_in(page)


FAULTS: dict[str, tuple[dict[str, Any], Code]] = {
    "another state": ({"wrong_state": True}, "state_unknown"),
    "no state": ({"no_state": True}, "state_unknown"),
    "the app is not accepted": ({"token_error": "invalid_client"}, "client_refused"),
    "the code is not accepted": ({"token_error": "invalid_grant"}, "code_refused"),
    "no patient": ({"without_patient": True}, "patient_missing"),
    "no token": ({"token_response": {"access_token": None}}, "token_unusable"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_is_a_page(page: Page, hospital: Site, fault: str) -> None:
    how, code = FAULTS[fault]
    with hospital.ehrs["north"].failing(**how):
        answer = page.goto(hospital.launch("north"))
    is_told(page, answer, code)


TAMPERED: tuple[Tampered, ...] = ("signature", "aud", "iss", "nonce", "exp", "alg none")


@pytest.mark.slow
@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_id_token_signs_nobody_in(page: Page, hospital: Site, how: Tampered) -> None:
    with hospital.ehrs["north"].failing(id_token=how):
        answer = page.goto(hospital.launch("north"))
    is_told(page, answer, "identity_unproven")


@pytest.mark.slow
def test_denied_consent(page: Page, hospital: Site) -> None:
    ehr = hospital.ehrs["north"]
    ehr.consent = "page"
    page.goto(hospital.launch("north"))
    with page.expect_navigation() as told:
        page.get_by_role("button", name="Deny").click()
    ehr.consent = "automatic"
    is_told(page, told.value, "consent_denied")


def test_a_server_that_is_not_listed_is_asked_nothing(page: Page, hospital: Site) -> None:
    query = urlencode({"iss": "http://localhost:9/fhir", "launch": "x"})
    answer = page.goto(f"{hospital.address}/smart/launch?{query}")
    is_told(page, answer, "server_unknown")


@pytest.mark.slow
def test_a_server_without_pkce(page: Page, hospital: Site) -> None:
    answer = page.goto(hospital.launch("east"))
    is_told(page, answer, "pkce_refused")
    assert hospital.ehrs["east"].asked("/auth/authorize") == []


@pytest.mark.slow
def test_a_callback_that_comes_twice(page: Page, hospital: Site) -> None:
    came: list[str] = []
    page.on("request", lambda each: came.append(each.url) if "callback?" in each.url else None)
    page.goto(hospital.launch("north"))
    is_told(page, page.goto(came[0]), "state_unknown")


@pytest.mark.slow
def test_a_sign_in_begun_in_another_browser(page: Page, hospital: Site, browser: Browser) -> None:
    """Somebody is made to finish another's sign-in: the browser is not the one that began it."""
    ehr = hospital.ehrs["north"]
    ehr.consent = "page"
    page.goto(hospital.launch("north"))
    waiting = list(ehr.waiting)[-1]
    ehr.consent = "automatic"
    with browser.new_context() as other:
        victim = other.new_page()
        victim.goto(ehr.origin + "/chart?app=about:blank")
        with victim.expect_navigation() as told:
            victim.evaluate(
                """([to, waiting]) => {
                  const form = Object.assign(document.createElement("form"), { method: "post", action: to });
                  for (const [name, value] of [["waiting", waiting], ["decision", "allow"]])
                    form.append(Object.assign(document.createElement("input"), { name, value }));
                  document.body.append(form);
                  form.submit();
                }""",
                [f"{ehr.auth}/decision", waiting],
            )
        is_told(victim, told.value, "cookie_missing")
