"""What a user of the SMART app sees: signed in, or a page that tells what happened and what to do."""

import re

from playwright.sync_api import FrameLocator, Page, Response, expect

from cds_service.smart.problems import PROBLEMS, Code
from tests.browsing import SCREENSHOTS

SESSION = re.compile(r"/smart/s/[\w-]{22}/(\?.*)?(#.*)?$")


def photograph(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)


def is_signed_in(page: Page) -> None:
    expect(page).to_have_url(SESSION)
    expect(page.get_by_role("button", name="Log out")).to_be_visible()


def is_told(page: Page, answer: Response | None, code: Code) -> None:
    """The page of a problem: what happened, and what to do."""
    assert answer is not None
    assert answer.status == PROBLEMS[code].status
    reads(page, code)
    photograph(page, f"problem-{code}")


def reads(page: Page | FrameLocator, code: Code) -> None:
    """The words of a problem, in a window or a frame."""
    words = PROBLEMS[code]
    expect(page.get_by_role("heading", level=1)).to_have_text(words.title)
    expect(page.get_by_text(words.remedy)).to_be_visible()
    expect(page.get_by_text("Reference:")).to_contain_text(code)
