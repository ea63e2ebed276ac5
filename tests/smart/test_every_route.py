"""Every route of a session, whatever it does: closed without the cookie, and its forms to other pages."""

import httpx
import pytest

from tests.security.clients import PUBLIC
from tests.security.routes import routes
from tests.smart.ehr.state import FakeEhr
from tests.smart.signing_in import Page, Readmit, problem

ID = "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"
_FILLED = {"{assessment}": ID, "{number}": "1", "{n}": "1", "{name}": "a", "{uuid}": ID}
FORGED = [{}, {"origin": "null"}, {"origin": "https://evil.example"}, {"origin": PUBLIC}]


def of_sessions(readmit: Readmit, page: Page) -> list[tuple[str, str]]:
    """Method and address of each, in that session."""
    found = sorted(each for each in routes(readmit.app) if "{sid}" in each[1])
    assert ("POST", "/smart/s/{sid}/logout") in found
    return [(method, filled(path.replace("{sid}", page.id))) for method, path in found]


def filled(path: str) -> str:
    for name, value in _FILLED.items():
        path = path.replace(name, value)
    assert "{" not in path, f"{path}: say in _FILLED what its parameter may be"
    return path


def is_closed(answer: httpx.Response, code: str) -> bool:
    return answer.status_code == 403 and problem(answer) == code


async def test_without_the_cookie_nothing_is_answered(readmit: Readmit, north: FakeEhr) -> None:
    page, stranger = await readmit.session(north), readmit.another_browser()
    for method, address in of_sessions(readmit, page):
        answer = await stranger.http.request(method, address, headers={"origin": PUBLIC})
        assert is_closed(answer, "session_ended"), (method, address)


@pytest.mark.slow
@pytest.mark.parametrize("headers", FORGED, ids=str)
async def test_a_forged_form_does_nothing(
    headers: dict[str, str], readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    for method, address in of_sessions(readmit, page):
        if method != "GET":
            sent = {"csrf": "guessed"} if "origin" in headers else {}
            answer = await readmit.http.request(method, address, data=sent, headers=headers)
            assert is_closed(answer, "form_refused"), (method, address)
    assert (await page.told())["kind"] == "patient"
