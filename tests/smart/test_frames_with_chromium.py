"""The app in a frame of an EHR that is another site, under what users do to cookies; and what leaves a trace."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, Playwright, Request, expect

from tests.browsing import chromium_with
from tests.smart.ehr.state import FakeEhr
from tests.smart.seen import is_signed_in, photograph, reads
from tests.smart.site import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NO_THIRD_PARTY = {"profile": {"cookie_controls_mode": 1, "block_third_party_cookies": True}}
THIRD_PARTY = {"profile": {"cookie_controls_mode": 0, "block_third_party_cookies": False}}
NO_COOKIES = {"profile": {"default_content_setting_values": {"cookies": 2}}}
COOKIE_PROBE = "document.cookie = 'probe=1; SameSite=None; Secure'; document.cookie"


def chart(hospital: Site, name: str = "north", **opened: str) -> str:
    """A chart of the EHR, with the app in a frame."""
    query = urlencode({"app": hospital.launch(name, **opened)})
    return f"{hospital.ehrs[name].origin}/chart?{query}"


def framed(page: Page) -> FrameLocator:
    return page.frame_locator("iframe[title=App]")


@contextmanager
def browsing(
    playwright: Playwright, folder: Path, preferences: dict[str, object]
) -> Iterator[Page]:
    with chromium_with(playwright, folder / "profile", preferences) as context:
        yield context.new_page()


def test_in_a_frame_without_third_party_cookies(
    playwright: Playwright, hospital: Site, tmp_path: Path
) -> None:
    assessment = hospital.assessment("north")
    with browsing(playwright, tmp_path, NO_THIRD_PARTY) as page:
        page.goto(chart(hospital, app_context=assessment))
        app = framed(page)
        expect(app.get_by_role("button", name="Log out")).to_be_visible()
        assert app.locator("html").evaluate(COOKIE_PROBE) == ""  # one that is not partitioned
        app.get_by_role("button", name="Score again now").click()
        expect(app.locator("#changed")).to_be_visible()
        photograph(page, "frame-without-third-party-cookies")


def test_in_a_frame_with_third_party_cookies(
    playwright: Playwright, hospital: Site, tmp_path: Path
) -> None:
    """That the other test's setting is what refuses the cookie."""
    with browsing(playwright, tmp_path, THIRD_PARTY) as page:
        page.goto(chart(hospital))
        app = framed(page)
        expect(app.get_by_role("button", name="Log out")).to_be_visible()
        assert "probe=1" in app.locator("html").evaluate(COOKIE_PROBE)


def test_in_a_frame_without_any_cookies_the_page_says_what_to_do(
    playwright: Playwright, hospital: Site, tmp_path: Path
) -> None:
    with browsing(playwright, tmp_path, NO_COOKIES) as page:
        page.goto(chart(hospital))
        reads(framed(page), "cookie_missing")
        link = framed(page).get_by_role("link", name="Open Readmit in its own window")
        photograph(page, "frame-without-cookies")
        with page.context.expect_page() as opened:
            link.click()
        reads(opened.value, "cookie_missing")


def test_in_a_frame_of_a_stranger_nothing_is_drawn(page: Page, hospital: Site) -> None:
    """`frame-ancestors` has one tenant's EHR: another's may not show this page."""
    heard: list[str] = []
    stranger = page.context.new_page()  # `page` itself takes a breach of policy for an error
    stranger.on("console", lambda line: heard.append(line.text))
    query = urlencode({"app": hospital.launch("north")})
    stranger.goto(f"{hospital.ehrs['south'].origin}/chart?{query}")
    expect(framed(stranger).get_by_role("button", name="Log out")).to_have_count(0)
    assert any("frame-ancestors" in line for line in heard)


OURS = {
    "/smart/launch": {"iss", "launch"},
    "/smart/callback": {"code", "state"},
    "/smart/standalone": {"iss"},
}
"""What OAuth and SMART themselves put into our addresses; the pages have two ids of ours."""
OF_PAGES = {"assessment", "before"}


def test_nothing_of_the_patient_and_no_token_leaves_a_trace(
    context: BrowserContext, hospital: Site
) -> None:
    ehr, asked = hospital.ehrs["north"], list[Request]()
    context.on("request", lambda request: asked.append(request))
    page, start = context.new_page(), len(ehr.requests)
    page.goto(hospital.launch("north", app_context=hospital.assessment("north")))
    is_signed_in(page)
    page.get_by_role("button", name="Score again now").click()
    is_signed_in(page)
    page.locator("#inputs a").first.click()
    page.go_back()
    page.get_by_role("button", name="Set aside").click()
    is_signed_in(page)
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("You are signed out")
    ours = [each for each in asked if each.url.startswith(hospital.address)]
    assert len(ours) > 10
    _check_addresses(ours, secrets(ehr) | set(chart_of(ehr, start)))
    _check_referrers(asked, hospital)
    written = [each for each in secrets(ehr) | set(chart_of(ehr, start)) if each in hospital.log]
    assert written == []


def secrets(ehr: FakeEhr) -> set[str]:
    """Every launch id, code, token, verifier and assertion so far."""
    return set(ehr.issued)


def chart_of(ehr: FakeEhr, start: int) -> Iterator[str]:
    """What says who the patient is: ids, name, birth date, record number; states of the sign-in."""
    resources = ehr.charts.resources()
    patient = next(each for each in resources if each["id"].startswith("margaret"))
    yield from (patient["id"], patient["birthDate"], patient["identifier"][0]["value"])
    yield from (patient["name"][0]["family"], patient["name"][0]["given"][0])
    yield from (each["id"] for each in resources if each["id"].startswith("margaret"))
    yield from (each["state"] for _, _, each in ehr.requests[start:] if "state" in each)


def _check_addresses(ours: list[Request], never: set[str]) -> None:
    for request in ours:
        address = urlsplit(request.url)
        allowed = OURS.get(address.path, OF_PAGES)
        query = dict(parse_qsl(address.query))
        assert set(query) <= allowed, address.path
        plain = address.path if allowed is not OF_PAGES else request.url
        assert [each for each in never if each in plain] == []


def _check_referrers(asked: list[Request], hospital: Site) -> None:
    """An origin at most: no path of ours goes anywhere, not even to ourselves."""
    for request in asked:
        referrer = request.all_headers().get("referer", "")
        if referrer.startswith(hospital.address):
            assert referrer == f"{hospital.address}/"
        assert urlsplit(referrer).query == ""
