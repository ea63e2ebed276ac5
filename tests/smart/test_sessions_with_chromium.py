"""What a signed-in user can do, see and not see, in Chromium: whose assessments, which access, for how long."""

import re
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from cds_service.smart.problems import Code
from tests.smart.ehr import faults
from tests.smart.ehr.state import FakeEhr
from tests.smart.seen import is_signed_in, is_told, photograph
from tests.smart.site import CLIENT_ID, Site

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSPICE = {"patient": "hospice-patient-1", "encounter": "hospice-stay-1"}
ONCOLOGY = {"patient": "oncology-patient-1", "encounter": "oncology-stay-1"}


def refused(hospital: Site) -> list[tuple[str, str]]:
    """Who was refused which view, so far: the rows, each with a link in the tenant's chain."""
    with closing(sqlite3.connect(hospital.folder / "readmit.sqlite")) as database:
        query = "SELECT refused_view.tenant, reason FROM refused_view JOIN audit ON subject = refused_view.uuid"
        return database.execute(f"{query} AND audit.kind = 'refused'").fetchall()


def press(page: Page, button: str) -> None:
    page.get_by_role("button", name=button, exact=True).click()


def score(page: Page) -> None:
    """For the first time or again: the tests share a store."""
    page.get_by_role("button", name=re.compile("Score (again )?now")).click()
    expect(page).to_have_url(re.compile("assessment="))


def answered(page: Page, button: str, code: Code) -> None:
    """Pressing the button ends in the page of this problem."""
    with page.expect_navigation() as told:
        press(page, button)
    is_told(page, told.value, code)


def test_the_stored_assessment_of_a_card_is_shown(page: Page, hospital: Site) -> None:
    card = hospital.card("north")
    page.goto(hospital.launch("north", app_context=card["links"][0]["appContext"]))
    is_signed_in(page)
    percent = card["summary"].partition("%")[0].split()[-1]
    expect(page.locator("#result")).to_contain_text(re.compile(rf"\b{percent}\s%"))


def test_another_patients_assessment_is_refused_and_recorded(page: Page, hospital: Site) -> None:
    before, others = refused(hospital), hospital.assessment("north", "oncology")
    answer = page.goto(hospital.launch("north", app_context=others))
    is_told(page, answer, "view_refused")
    page.goto(hospital.launch("north"))
    is_signed_in(page)
    answer = page.goto(f"{page.url}?assessment={others}")
    is_told(page, answer, "view_refused")
    assert refused(hospital)[len(before) :] == [("north", "other_patient")] * 2


def test_another_tenants_assessment_is_refused(page: Page, hospital: Site) -> None:
    before, norths = refused(hospital), hospital.assessment("north")
    answer = page.goto(hospital.launch("south", app_context=norths))
    is_told(page, answer, "view_refused")
    ((tenant, _),) = refused(hospital)[len(before) :]
    assert tenant == "south"


def test_a_token_for_another_patient_than_the_cards(page: Page, hospital: Site) -> None:
    card = hospital.assessment("north")
    with hospital.ehrs["north"].failing(another_patient=HOSPICE["patient"]):
        answer = page.goto(hospital.launch("north", app_context=card))
    is_told(page, answer, "view_refused")


def test_without_a_stay_one_is_chosen(page: Page, hospital: Site) -> None:
    with hospital.ehrs["north"].failing(without_encounter=True):
        page.goto(hospital.launch("north", patient="copd-frequent-ed-patient-1"))
    is_signed_in(page)
    page.get_by_role("link", name="stay").first.click()
    photograph(page, "stays")
    page.get_by_role("button", name="Score this stay").first.click()
    expect(page.locator("#result")).to_be_visible()


def test_narrower_scopes_are_said_and_are_no_zero(page: Page, hospital: Site) -> None:
    ehr, before = hospital.ehrs["north"], len(hospital.ehrs["north"].requests)
    with ehr.failing(granted=faults.without("Observation", "Condition")):
        page.goto(hospital.launch("north", **ONCOLOGY, app_context=None))
    is_signed_in(page)
    score(page)
    unseen = page.locator("#unseen")
    expect(unseen).to_contain_text("Access was not granted to: Condition")
    expect(unseen).to_contain_text("Not read:")
    expect(page.locator("#inputs")).to_contain_text("not read")
    photograph(page, "narrower-scopes")
    asked = {path for _, path, _ in ehr.requests[before:]}
    assert "/fhir/Observation" not in asked


def test_a_granular_scope_reads_a_part(page: Page, hospital: Site) -> None:
    part = faults.only_category("Observation", "vital-signs")
    with hospital.ehrs["north"].failing(granted=part):
        page.goto(hospital.launch("north", **ONCOLOGY))
    score(page)
    expect(page.locator("#unseen")).to_contain_text("a part only of: Observation")


def test_scopes_of_smart_1_are_enough(page: Page, hospital: Site) -> None:
    with hospital.ehrs["north"].failing(granted=faults.v1):
        page.goto(hospital.launch("north", **ONCOLOGY))
    is_signed_in(page)
    score(page)
    expect(page.locator("#unseen")).not_to_contain_text("Access was not granted")


def test_an_expired_token_is_refreshed_once(page: Page, hospital: Site) -> None:
    ehr = hospital.ehrs["north"]
    with ehr.failing(expires_in=1):
        page.goto(hospital.launch("north", app_context=hospital.assessment("north")))
    is_signed_in(page)
    before = len(_refreshes(ehr))
    press(page, "Score again now")
    is_signed_in(page)
    expect(page.locator("#changed")).to_be_visible()
    photograph(page, "scored-again")
    assert len(_refreshes(ehr)) == before + 1


def test_a_token_that_ends_for_good_ends_the_session(page: Page, hospital: Site) -> None:
    with hospital.ehrs["north"].failing(expires_in=1, without_refresh=True):
        page.goto(hospital.launch("north", app_context=hospital.assessment("north")))
    is_signed_in(page)
    page.wait_for_timeout(1100)
    answered(page, "Score again now", "access_ended")


def test_a_refused_refresh_ends_the_session(page: Page, hospital: Site) -> None:
    ehr = hospital.ehrs["north"]
    with ehr.failing(expires_in=1, refresh_refused=True):
        page.goto(hospital.launch("north", app_context=hospital.assessment("north")))
        answered(page, "Score again now", "access_ended")


def test_a_stolen_refresh_token_ends_the_session(page: Page, hospital: Site) -> None:
    """The thief used it first: ours comes second, and the server ends the whole family."""
    ehr = hospital.ehrs["north"]
    with ehr.failing(expires_in=1):
        page.goto(hospital.launch("north", app_context=hospital.assessment("north")))
    form = {"grant_type": "refresh_token", "refresh_token": list(ehr.refreshes)[-1]}
    stolen = httpx.post(f"{ehr.auth}/token", data={"client_id": CLIENT_ID} | form)
    assert stolen.status_code == 200
    answered(page, "Score again now", "access_ended")
    thief = {"Authorization": f"Bearer {stolen.json()['access_token']}"}
    patient = f"{ehr.base}/Patient/margaret-heart-failure-patient-1"
    assert httpx.get(patient, headers=thief).status_code == 401


def _refreshes(ehr: FakeEhr) -> list[dict[str, str]]:
    return [each for each in ehr.asked("/auth/token") if each["grant_type"] == "refresh_token"]


@pytest.mark.parametrize("status", [403, 503])
def test_a_chart_that_cannot_be_read_is_said(page: Page, hospital: Site, status: int) -> None:
    ehr = hospital.ehrs["north"]
    page.goto(hospital.launch("north", app_context=hospital.assessment("north")))
    with ehr.failing(fhir_status={"*": status}):
        answered(page, "Score again now", "record_unread")


def test_two_patients_in_two_tabs_stay_apart(context: BrowserContext, hospital: Site) -> None:
    tabs = [context.new_page(), context.new_page()]
    for tab, opened in zip(tabs, (HOSPICE, ONCOLOGY), strict=True):
        tab.goto(hospital.launch("north", **opened, need_patient_banner=True))
        is_signed_in(tab)
    for tab in reversed(tabs):
        score(tab)
        is_signed_in(tab)
    banners = [tab.get_by_role("region", name="Patient").inner_text() for tab in tabs]
    assert banners[0] != banners[1]
    cookies = [each for each in context.cookies() if each["name"] == "__Secure-readmit"]
    assert {each["path"] for each in cookies} == {urlsplit(tab.url).path for tab in tabs}
    assert all(each["httpOnly"] and each["secure"] for each in cookies)
    assert {each["sameSite"] for each in cookies} == {"None"}


def test_who_logs_out_is_out(page: Page, hospital: Site) -> None:
    page.goto(hospital.launch("north"))
    is_signed_in(page)
    home = page.url
    press(page, "Log out")
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    photograph(page, "signed-out")
    is_told(page, page.goto(home), "session_ended")
