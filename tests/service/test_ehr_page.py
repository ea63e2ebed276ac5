"""The page that plays the EHR, clicked through in Chromium against the running service."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browsing import SCREENSHOTS, chromium, free_port, serve, watched

SERVICE = "**/cds-services/readmission-risk"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as (_, started):
        yield started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service")


@pytest.fixture(scope="module")
def service(browser: Browser, folder: Path) -> Iterator[str]:
    """The address of `readmit serve --dev` with an empty database and the bundle it has by default.

    Not started without a browser.
    """
    with serve(folder, free_port(), "--dev") as address:
        yield address


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    """A fresh page of the demonstration."""
    opened = browser.new_page(viewport={"width": 1440, "height": 900}, base_url=service)
    with watched(opened):
        yield opened


def choose(page: Page, name: str) -> None:
    page.goto(f"/#{name}")
    page.reload()
    expect(page.locator("#discharge")).to_be_enabled()


def discharged(page: Page, name: str) -> Locator:
    """The card of a patient's discharge."""
    choose(page, name)
    page.get_by_role("button", name="Discharge").click()
    card = page.locator("article.card")
    expect(card).to_have_count(1)
    return card


def test_a_discharge_draws_the_card(page: Page) -> None:
    page.goto("/")
    page.get_by_text("Margaret Exampleford").click()
    expect(page.locator("#summary")).to_contain_text("non-invasive ventilation")
    page.get_by_role("button", name="Discharge").click()
    card = page.locator("article.card")
    expect(card).to_have_count(1)
    expect(page.locator("#status")).to_contain_text("with 1 card (HTTP 200)")
    expect(card.locator("h3")).to_contain_text("Estimated 30-day readmission risk")
    expect(card.locator(".detail > :first-child strong")).to_contain_text("Not for clinical use")
    for words in ("LACE", "17", "HOSPITAL", "11", "of 105", "Source:", "What moves this estimate"):
        expect(card).to_contain_text(words)
    page.locator("#raw-response > summary").click()
    expect(page.locator("#response-json")).to_contain_text('"cards"')
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "ehr.png", full_page=True)


@pytest.mark.slow
@pytest.mark.parametrize("button", ["Discharge", "Open chart"])
def test_markup_of_the_record_is_shown_as_text(page: Page, button: str) -> None:
    choose(page, "hostile-text")
    expect(page.locator("#patient-name")).to_contain_text("<script>alert('name')</script>")
    page.get_by_role("button", name=button).click()
    expect(page.locator("article.card")).to_have_count(1)
    page.locator("#raw-request > summary").click()
    expect(page.locator("#summary")).to_contain_text("<b>this is not bold</b>")
    foreign = "main :is(script, iframe, img, svg, object, h1, marquee)"
    assert page.locator(foreign).count() == 0
    targets = page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")
    assert not [each for each in targets if "attacker" in each or each.startswith("javascript")]


@pytest.mark.slow
def test_a_stay_in_progress_is_of_today(page: Page) -> None:
    choose(page, "in-progress")
    expect(page.locator("#stay")).to_contain_text("still in hospital")
    page.get_by_role("button", name="Open chart").click()
    expect(page.locator("article.card")).to_have_count(1)
    page.get_by_role("button", name="Discharge").click()
    expect(page.locator("#request-line")).to_contain_text("encounter-discharge")
    expect(page.locator("#status")).to_contain_text("with 1 card (HTTP 200)")


@pytest.mark.slow
def test_an_accepted_suggestion_is_fed_back_and_creates_nothing(page: Page) -> None:
    card = discharged(page, "margaret-heart-failure")
    with page.expect_response(f"{SERVICE}/feedback") as told:
        card.get_by_role("button", name="Draft a follow-up contact").click()
    assert told.value.status == 200
    (entry,) = told.value.request.post_data_json["feedback"]
    assert (entry["outcome"], len(entry["acceptedSuggestions"])) == ("accepted", 1)
    expect(card.locator(".suggestions")).to_contain_text("nothing is created here")
    expect(card.locator(".suggestions pre")).to_contain_text('"status": "draft"')
    expect(card.get_by_role("button", name="Draft a follow-up contact")).to_be_disabled()


@pytest.mark.slow
def test_an_override_is_fed_back_with_reason_and_comment(page: Page) -> None:
    card = discharged(page, "copd-frequent-ed")
    card.get_by_text("Override", exact=True).click()
    card.get_by_label("Reason").select_option("Recommended action was already completed")
    card.get_by_label("Comment").fill("Seen <b>today</b>")
    with page.expect_response(f"{SERVICE}/feedback") as told:
        card.get_by_role("button", name="Override the card").click()
    assert told.value.status == 200
    (entry,) = told.value.request.post_data_json["feedback"]
    assert entry["overrideReason"]["reason"]["code"] == "action-completed"
    assert entry["overrideReason"]["userComment"] == "Seen <b>today</b>"
    expect(card.locator("form [role=status]")).to_contain_text("Overridden")


@pytest.mark.slow
def test_an_override_needs_no_reason(page: Page) -> None:
    card = discharged(page, "hospice")
    card.get_by_text("Override", exact=True).click()
    with page.expect_response(f"{SERVICE}/feedback") as told:
        card.get_by_role("button", name="Override the card").click()
    assert told.value.status == 200
    assert "overrideReason" not in told.value.request.post_data_json["feedback"][0]


@pytest.mark.slow
def test_feedback_that_fails_can_be_sent_again(page: Page) -> None:
    card = discharged(page, "oncology")
    page.route(f"{SERVICE}/feedback", lambda route: route.abort())
    button = card.get_by_role("button", name="Draft a follow-up contact")
    button.click()
    expect(card.locator(".suggestions")).to_contain_text("did not take the feedback")
    expect(button).to_be_enabled()


def stored_feedback(folder: Path, card: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(folder / "readmit.sqlite")) as database:
        query = "SELECT tenant, outcome, reason_code FROM feedback WHERE card_uuid = ?"
        return database.execute(query, (card,)).fetchall()


def test_from_card_to_link_to_launch_to_page_to_override_to_stored_feedback(
    page: Page, service: str, folder: Path
) -> None:
    choose(page, "sepsis-long-stay")
    with page.expect_response(SERVICE) as told:
        page.get_by_role("button", name="Discharge").click()
    (sent,) = told.value.json()["cards"]
    page.locator("article.card").get_by_role("button", name=sent["links"][0]["label"]).click()
    app = page.frame_locator("#app-frame iframe")
    expect(app.locator("#result")).to_contain_text(percent_of(sent))
    app.get_by_label("Reason").select_option("Recommended action was already completed")
    app.get_by_label("Comment").fill("Seen <b>today</b>")
    app.get_by_role("button", name="Set aside").click()
    expect(app.get_by_role("status")).to_contain_text("set aside")
    page.screenshot(path=SCREENSHOTS / "ehr-with-app.png", full_page=True)
    assert stored_feedback(folder, sent["uuid"]) == [("dev", "overridden", "action-completed")]
    page.get_by_role("button", name="Back to the chart").click()
    expect(page.locator("#summary")).to_be_visible()
    expect(page.locator("iframe")).to_have_count(0)


def percent_of(card: dict[str, Any]) -> re.Pattern[str]:
    """What the card's summary says, in the page: the two are one assessment."""
    number = card["summary"].partition("%")[0].split()[-1]
    return re.compile(rf"\b{number}\s%")


@pytest.mark.slow
def test_the_app_opens_in_a_tab_of_its_own_and_scores_again(page: Page) -> None:
    """From the EHR's FHIR server now: the examples are there, so the estimate is the card's."""
    card = discharged(page, "copd-frequent-ed")
    card.locator(".launch button").click()
    expect(page.frame_locator("iframe").locator("#result")).to_be_visible()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open in a new tab").click()
    app = opened.value
    before = app.locator("#result .estimate").first.inner_text()
    app.get_by_role("button", name="Score again now").click()
    expect(app.locator("#changed")).to_be_visible()
    expect(app.locator("#result .estimate").first).to_have_text(before)


@pytest.mark.slow
def test_the_app_alone_asks_for_a_patient(page: Page) -> None:
    page.goto("/smart/standalone")
    page.get_by_role("button", name="Margaret Exampleford").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    expect(page.get_by_role("region", name="Patient")).to_contain_text("Exampleford")


@pytest.mark.slow
def test_a_launch_that_fails_is_said(page: Page) -> None:
    card = discharged(page, "oncology")
    page.route("**/dev/launch", lambda route: route.abort())
    card.locator(".launch button").click()
    expect(card.locator(".launch [role=status]")).to_contain_text("could not be opened")


@pytest.mark.slow
def test_a_smart_link_of_another_site_is_shown_and_not_followed(page: Page) -> None:
    page.goto("/")
    drawn = page.evaluate(
        """async () => {
          const { drawAnswer } = await import("/static/ehr/card.js");
          const links = [{ label: "Inputs", url: "https://apps.example/launch", type: "smart", appContext: "x" }];
          const body = { cards: [{ summary: "s", indicator: "info", links }] };
          const [card] = drawAnswer({ status: 200, body }, "", { patientId: "p" });
          return card.querySelector(".links").innerHTML;
        }"""
    )
    assert drawn == "<li><span>Inputs (opens as a SMART app inside an EHR)</span></li>"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["newborn", "hospice", "transferred"])
def test_who_is_not_scored_gets_a_card_without_points(page: Page, name: str) -> None:
    choose(page, name)
    page.get_by_role("button", name="Discharge").click()
    expect(page.locator("article.card[data-indicator=info]")).to_have_count(1)
    expect(page.locator("article.card table")).to_have_count(0)


@pytest.mark.slow
def test_an_error_of_the_service_is_drawn(page: Page) -> None:
    choose(page, "elective-knee")
    page.route(SERVICE, lambda route: route.continue_(post_data='{"hook": "encounter-discharge"}'))
    page.get_by_role("button", name="Discharge").click()
    card = page.locator("article.card[data-indicator=error]")
    expect(card).to_contain_text("The service answered with HTTP 4")
    expect(page.locator("#status")).to_contain_text("with an error (HTTP 4")


@pytest.mark.slow
def test_a_service_out_of_reach_is_said(page: Page) -> None:
    choose(page, "elective-knee")
    page.route(SERVICE, lambda route: route.abort())
    page.get_by_role("button", name="Discharge").click()
    expect(page.locator("article.card[data-indicator=error]")).to_contain_text("No answer")
    expect(page.locator("#discharge")).to_be_enabled()


@pytest.mark.slow
def test_the_keyboard_is_enough(page: Page) -> None:
    choose(page, "margaret-heart-failure")
    page.locator("input[name=patient]:checked").focus()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#patient-name")).to_have_text("Sampleton, Harold")
    expect(page.locator("#discharge")).to_be_enabled()
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("article.card")).to_have_count(1)


@pytest.mark.slow
def test_card_markdown_becomes_elements_and_nothing_else(page: Page) -> None:
    page.goto("/")
    drawn = page.evaluate(
        """async () => {
          const { renderMarkdown } = await import("/static/ehr/markdown.js");
          const box = document.createElement("div");
          const lines = ["**Bold** and \\\\*plain\\\\*, a &lt;b&gt; <i>tag</i> [link](javascript:x)", "",
            "- one", "- **two**", "", "| a | b |", "|---|---|", "| 1 \\\\| 2 | 3 |"];
          box.append(renderMarkdown(lines.join("\\n")));
          return box.innerHTML;
        }"""
    )
    assert drawn == (
        "<p><strong>Bold</strong> and *plain*, a &lt;b&gt; &lt;i&gt;tag&lt;/i&gt; [link](javascript:x)</p>"
        "<ul><li>one</li><li><strong>two</strong></li></ul>"
        '<div class="table"><table><thead><tr><th scope="col">a</th><th scope="col">b</th></tr></thead>'
        "<tbody><tr><td>1 | 2</td><td>3</td></tr></tbody></table></div>"
    )
