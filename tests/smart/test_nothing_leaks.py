"""No token, code, state, cookie or patient's id leaves in a log line, a page, an address or the database."""

import logging
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.security.logs import leaked
from tests.smart.ehr.state import ENCOUNTER, PATIENT, USER, FakeEhr
from tests.smart.signing_in import Page, Readmit, asked

ASSESSMENT = "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"


async def everything(readmit: Readmit, ehr: FakeEhr) -> tuple[set[str], str]:
    """All that a session can go through, with a few ways to fail; the secrets of it, and the text of
    every page."""
    secrets, shown = {PATIENT, ENCOUNTER, USER}, []
    begun = await readmit.launch(ehr, app_context=ASSESSMENT)
    secrets |= {asked(begun)[name] for name in ("state", "nonce", "launch")}
    answer = await readmit.follow(begun)
    secrets |= {each.value or "" for each in readmit.http.cookies.jar}
    page = readmit.page(answer)
    csrf = (await page.told())["csrf"]
    shown += [begun.text, answer.text]
    shown += [
        await failing(readmit, ehr, fault) for fault in ({"denied": True}, {"id_token": "aud"})
    ]
    shown += await used(readmit, ehr, page, csrf)
    return secrets | ehr.issued | {csrf}, "\n".join(shown)


async def failing(readmit: Readmit, ehr: FakeEhr, fault: dict[str, object]) -> str:
    with ehr.failing(**fault):
        return (await readmit.sign_in(ehr)).text


async def used(readmit: Readmit, ehr: FakeEhr, page: Page, csrf: str) -> list[str]:
    """The pages of a session whose token is replaced, and that ends."""
    token = (await readmit.http.get(f"/smart/s/{page.id}/token")).json()
    await readmit.http.get(f"/smart/s/{page.id}/token", params={"rejected": token})
    refused = await readmit.get(f"/smart/s/{page.id}/refused/{ASSESSMENT}")
    forged = await page.post("posted", csrf=token)
    out = await page.post("logout", csrf=csrf)
    ended = await readmit.get(f"/smart/s/{page.id}/told")
    return [each.text for each in (refused, forged, out, ended)]


async def test_nothing_is_said_that_must_not_be(
    readmit: Readmit,
    north: FakeEhr,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "cds_service"):
        secrets, shown = await everything(readmit, north)
    assert len(secrets) > 15
    written = capsys.readouterr().err
    assert written.count('"event": "answered"') > 8
    assert leaked(secrets, written, caplog) == []
    assert [each for each in secrets if each in shown] == []
    metrics = (await readmit.http.get("/metrics")).text
    assert [each for each in secrets if each in metrics] == []
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("test.sqlite*"))
    kept = {USER}  # a refused view says who asked
    assert [each for each in secrets - kept if each.encode() in stored] == []


async def test_the_addresses_of_the_app_say_nothing(readmit: Readmit, north: FakeEhr) -> None:
    secrets, _ = await everything(readmit, north)
    own = [each for each in readmit.visited if urlsplit(each).netloc == "readmit.example"]
    of_sessions = [each for each in own if "/smart/s/" in each]
    assert of_sessions
    assert [each for each in of_sessions if any(one in each for one in secrets)] == []
    clinical = [each for each in own if PATIENT in each or ENCOUNTER in each]
    assert clinical == []
    assert all("token" not in urlsplit(each).query for each in own)
