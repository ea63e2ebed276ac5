"""Pages drawn in Chromium: no violation that axe-core finds, and nothing to scroll sideways, on a
phone, a laptop and a wall; by day and by night. The pictures stay in tests/screenshots."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Route

from cds_service.smart.headers import page_headers
from cds_service.smart.pages import TEMPLATES as ALONE
from cds_service.smart.problems import PROBLEMS
from cds_service.smart.routes import STATIC
from cds_service.smart.view.page import model_card, received
from cds_service.smart.view.starting import nothing_page, stays_page
from cds_service.smart.worklist.page import Choice, worklist_page
from fhir_mapping.history import Origin, Visit
from tests.browsing import SCREENSHOTS, watched
from tests.service.requests import now
from tests.service.trained import SCORE, fixed_assessor
from tests.smart.test_view import critical, gone, hostile
from tests.smart.test_worklist import WARD, listed, stay
from tests.smart.viewing import FACTS, ROOT, assessor, html, purged, stored

pytestmark = [pytest.mark.browser, pytest.mark.sampled(3)]
WIDTHS = {375: 812, 1280: 800, 3840: 2160}
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
_WALL = 3840  # too large a picture to be kept whole
ORIGIN = "http://readmit.test"


def with_history() -> str:
    of = stored("margaret-heart-failure")
    rows = [
        {
            **of.row,
            "uuid": f"{number}" * 36,
            "created_at": now() - timedelta(days=9 - number),
            "probability": share,
            "bundle_digest": "e" * 64 if number == 1 else of.row["bundle_digest"],
        }
        for number, share in enumerate((0.11, 0.31, 0.24, 0.07), start=1)
    ]
    facts = replace(FACTS, needs_banner=True, denied=("Coverage",), narrowed=("Observation",))
    return html(of, facts, rows=(*rows, of.row), before=stored("no-labs"), said="Stored.")


def a_worklist() -> str:
    stays = (
        stay("a", probability=0.42),
        stay("b"),
        stay("c", outcome="not_scored", reason="under_18"),
    )
    choice = Choice(now().date(), "", "readmission-risk", ("readmission-risk", "other"), "UTC")
    facts = replace(FACTS, denied=("Location",))
    return worklist_page(listed(*stays, per_day=1, a=WARD), choice, facts, base_rate=0.14)


def a_problem() -> str:
    named = {"words": PROBLEMS["cookie_missing"], "code": "cookie_missing", "prefix": ""}
    return ALONE.get_template("problem.html").render(**named, link=("/", "Open"), reference="r")


def a_choice_of_organisation() -> str:
    organisations = [{"label": "North", "query": "iss=north"}, {"label": "South", "query": "iss=s"}]
    return ALONE.get_template("organisations.html").render(organisations=organisations, prefix="")


CASES: dict[str, Callable[[], str]] = {
    "page": lambda: html(stored("margaret-heart-failure")),
    "history": with_history,
    "threshold": lambda: html(stored("no-labs", fixed_assessor(SCORE, site_base_rate=0.14))),
    "hostile": lambda: html(hostile(), replace(FACTS, needs_banner=True)),
    "points": lambda: html(stored("sepsis-long-stay", assessor("lace-hospital"))),
    "not-scored": lambda: html(stored("newborn")),
    "critical": lambda: html(critical()),
    "purged": lambda: html(purged(stored("oncology"))),
    "gone": lambda: html(gone(stored("oncology"))),
    "silent": lambda: html(stored("oncology"), replace(FACTS, silent=True)),
    "nothing": lambda: nothing_page(FACTS),
    "received": lambda: received(FACTS, "Observation/x", {"valueString": "long " * 200}, back="./"),
    "stays": lambda: stays_page(FACTS, [Visit("e", "hospital", Origin("Encounter/e"), "finished")]),
    "worklist": a_worklist,
    "problem": a_problem,
    "organisations": a_choice_of_organisation,
    "model-card": lambda: model_card(FACTS, assessor().bundle, _card()),
}
WHOLE = ("page", "history", "threshold", "not-scored")
"""Seen at every width by day and by night; the others where there is least room, and where most."""
VIEWS = [(case, width, scheme) for case in WHOLE for width in WIDTHS for scheme in SCHEMES] + [
    (case, *view)
    for case in CASES
    if case not in WHOLE
    for view in ((375, "dark"), (1280, "light"))
]
drawn = cache(lambda case: CASES[case]())


def _card() -> str:
    return (ROOT / "bundles" / "demo" / "MODEL_CARD.md").read_text("utf-8")


def _answer(route: Route) -> None:
    """As the service answers: the same headers, its own static files, nothing else."""
    name = route.request.url.removeprefix(ORIGIN).lstrip("/").removeprefix("smart/static/")
    if name in STATIC:
        path = ROOT / "cds_service" / "smart" / "static" / name
        route.fulfill(body=path.read_bytes(), content_type=STATIC[name])
    elif name in CASES:
        kind = "text/html; charset=utf-8"
        route.fulfill(body=drawn(name), content_type=kind, headers=page_headers(()))
    else:
        route.abort()


def _violations(found: Any) -> list[str]:
    return [
        f"{each['id']}: {node['html']}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize(("case", "width", "scheme"), VIEWS)
def test_a_page_is_accessible_and_fits(
    browser: Browser, case: str, width: int, scheme: Scheme
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme
    )
    context.route("**/*", _answer)
    with watched(context.new_page()) as page:
        page.goto(f"{ORIGIN}/{case}")
        picture = SCREENSHOTS / "app" / f"{case}-{width}-{scheme}.png"
        page.screenshot(path=picture, full_page=width < _WALL)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        assert _violations(Axe().run(page)) == []
    context.close()


def test_every_link_and_field_is_reached_by_keyboard_and_seen(browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.route("**/*", _answer)
    with watched(context.new_page()) as page:
        page.goto(f"{ORIGIN}/page")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.locator("#comment").focus()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Set aside"
    context.close()


@pytest.mark.slow
def test_on_paper_there_are_no_forms_and_all_inputs(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context()
    context.route("**/*", _answer)
    with watched(context.new_page()) as page:
        page.goto(f"{ORIGIN}/page")
        page.emulate_media(media="print")
        for hidden in ("#answer", "nav", ".top form", ".again"):
            assert not page.locator(hidden).is_visible()
        assert page.locator("#inputs tbody tr").count() == 105
        page.pdf(path=tmp_path / "page.pdf")
        assert (tmp_path / "page.pdf").stat().st_size > 10_000
    context.close()
