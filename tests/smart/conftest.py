"""A browser and a hospital for each module that clicks: both end with it, as Playwright's loop must."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.browsing import chromium, watched
from tests.smart.site import Site, site


@pytest.fixture(scope="module")
def chromium_started() -> Iterator[tuple[Playwright, Browser]]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def playwright(chromium_started: tuple[Playwright, Browser]) -> Playwright:
    return chromium_started[0]


@pytest.fixture(scope="module")
def browser(chromium_started: tuple[Playwright, Browser]) -> Browser:
    return chromium_started[1]


@pytest.fixture(scope="module")
def hospital(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Not started without a browser."""
    with site(tmp_path_factory.mktemp("hospital")) as started:
        yield started


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    with watched(context.new_page()) as opened:
        yield opened
