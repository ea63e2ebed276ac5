"""The page of check-site in Chromium: no violation that axe-core finds, by day and by night."""

from collections.abc import Iterator
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from tests.batch.site_checks import PATIENTS, checked, copies, export
from tests.browsing import SCREENSHOTS, chromium, watched

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page_of(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of every example patient, and of six who are much alike, so that there is something to show."""
    folder = tmp_path_factory.mktemp("site")
    source = export(folder / "export", copies("margaret-heart-failure", 6))
    for each in PATIENTS.glob("*.json"):
        (source / each.name).write_bytes(each.read_bytes())
    checked(source, folder / "out")
    return (folder / "out" / "check-site.html").as_uri()


@pytest.fixture(scope="module")
def browser(page_of: str) -> Iterator[Browser]:
    """After the command, which has an event loop of its own."""
    with chromium() as (_, started):
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 1280])
def test_the_page_is_accessible_and_fits(
    browser: Browser, page_of: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    with watched(context.new_page()) as page:
        page.goto(page_of)
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"check-site-{width}-{scheme}.png", full_page=True)
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0
        found = Axe().run(page)
        assert [each["id"] for each in found.response["violations"]] == []
    context.close()
