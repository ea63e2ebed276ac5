"""One fake EHR for a module's tests, and a service for each; or, to click through, a hospital and Chromium.

Playwright keeps a loop running in its thread: it ends with its module, before others start theirs.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from tests.browsing import chromium, watched
from tests.security.clients import Clock
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import FakeEhr
from tests.smart.signing_in import CALLBACK, Readmit, entry, serving
from tests.smart.site import Site, site


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def north(clock: Clock) -> Iterator[FakeEhr]:
    with fake_ehr(clock=clock) as ehr:
        ehr.register("readmit", CALLBACK)
        yield ehr


@pytest.fixture
async def readmit(tmp_path: Path, north: FakeEhr, clock: Clock) -> AsyncIterator[Readmit]:
    """The service of one hospital whose EHR is `north`."""
    async with serving(tmp_path, entry("north", north.base), clock=clock) as started:
        yield started


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
