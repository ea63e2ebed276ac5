"""Sessions: whose they are, how long they last, what their forms need; and refused views."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from cds_service.storage.session_tables import SMART_LAUNCH, SMART_SESSION
from cds_service.storage.tables import AUDIT, REFUSED_VIEW
from tests.security.clients import PUBLIC, Clock
from tests.service.tampering import found
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import PATIENT, USER, FakeEhr
from tests.smart.signing_in import CALLBACK, Page, Readmit, entry, problem, serving

pytestmark = pytest.mark.sampled(6)

MANY = 50
ASSESSMENT = "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"


async def rows(readmit: Readmit, table: Any) -> int:
    async with readmit.state.store.database.reading() as connection:
        return int((await connection.execute(select(func.count()).select_from(table))).scalar_one())


async def test_a_session_is_its_browsers_alone(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    stranger = readmit.another_browser()
    assert problem(await stranger.get(f"/smart/s/{page.id}/told")) == "session_ended"
    guessed = {"cookie": "__Secure-readmit=guessed"}
    answer = await stranger.http.get(f"/smart/s/{page.id}/told", headers=guessed)
    assert problem(answer) == "session_ended"
    assert problem(await readmit.get("/smart/s/another/told")) == "session_ended"


async def test_the_cookie_of_one_session_does_not_open_another(
    readmit: Readmit, north: FakeEhr
) -> None:
    one = await readmit.sign_in(north)
    other = await readmit.session(north, patient="other")
    secret = one.headers.get_list("set-cookie")[0].partition(";")[0]
    answer = await readmit.another_browser().http.get(
        f"/smart/s/{other.id}/told", headers={"cookie": secret}
    )
    assert problem(answer) == "session_ended"


async def test_two_patients_in_two_tabs(readmit: Readmit, north: FakeEhr) -> None:
    first = await readmit.session(north, patient="first")
    second = await readmit.session(north, patient="second")
    told = [(await page.told())["patient"] for page in (first, second, first)]
    assert told == ["first", "second", "first"]


async def test_many_launches_at_once_never_mix_two_patients(
    readmit: Readmit, north: FakeEhr
) -> None:
    async def one(number: int) -> tuple[str, str]:
        page = await readmit.session(north, patient=f"patient-{number}")
        return f"patient-{number}", str((await page.told())["patient"])

    pairs = await asyncio.gather(*(one(number) for number in range(MANY)))
    assert len(pairs) == MANY
    assert [launched for launched, told in pairs if told != launched] == []


async def test_two_sign_ins_under_way_in_one_browser(readmit: Readmit, north: FakeEhr) -> None:
    first = await readmit.launch(north, patient="first")
    second = await readmit.launch(north, patient="second")
    pages = [readmit.page(await readmit.follow(begun)) for begun in (first, second)]
    assert [(await page.told())["patient"] for page in pages] == ["first", "second"]


async def test_a_session_ends_when_nobody_uses_it(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    for _ in range(3):
        readmit.clock.move(minutes=29)
        await page.told()
    readmit.clock.move(minutes=30)
    assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"


async def test_a_session_ends_after_eight_hours(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    for _ in range(23):
        readmit.clock.move(minutes=20)
        await page.told()
    readmit.clock.move(minutes=20)
    assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"


async def test_what_has_ended_is_deleted(readmit: Readmit, north: FakeEhr) -> None:
    await readmit.session(north)
    await readmit.launch(north)
    readmit.clock.move(hours=9)
    await readmit.session(north)
    await readmit.launch(north)
    assert await rows(readmit, SMART_SESSION) == 1
    assert await rows(readmit, SMART_LAUNCH) == 1


async def test_signing_out(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    answer = await page.post("logout", csrf=(await page.told())["csrf"])
    assert (answer.status_code, "You are signed out" in answer.text) == (200, True)
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert f"Path=/smart/s/{page.id}/" in answer.headers["set-cookie"]
    assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"
    assert await rows(readmit, SMART_SESSION) == 0


async def test_signing_out_revokes_the_tokens_where_that_can_be_said(
    readmit: Readmit, north: FakeEhr
) -> None:
    readmit.clock.move(minutes=6)
    north.requests.clear()
    with north.failing(configuration={"revocation_endpoint": f"{north.auth}/token"}):
        page = await readmit.session(north)
        await page.post("logout", csrf=(await page.told())["csrf"])
    (revoked,) = [each for each in north.asked("/auth/token") if "token" in each]
    assert revoked["token"] in north.refreshes
    assert revoked["client_id"] == "readmit"
    readmit.clock.move(minutes=6)


async def test_a_server_that_is_gone_keeps_nobody_signed_in(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    csrf = (await page.told())["csrf"]
    readmit.clock.move(minutes=6)
    with north.failing(configuration_status=500):
        answer = await page.post("logout", csrf=csrf)
    assert answer.status_code == 200
    assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"
    readmit.clock.move(seconds=6)


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", f"{PUBLIC}.evil.example"])
async def test_a_form_of_another_page_is_refused(
    origin: str | None, readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    csrf = (await page.told())["csrf"]
    for path in ("posted", "logout"):
        assert problem(await page.post(path, origin=origin, csrf=csrf)) == "form_refused"
    assert await rows(readmit, SMART_SESSION) == 1


async def test_a_form_needs_the_sessions_own_token(readmit: Readmit, north: FakeEhr) -> None:
    page, other = await readmit.session(north), await readmit.session(north)
    for csrf in ("", "guessed", "é", (await other.told())["csrf"]):
        assert problem(await page.post("posted", csrf=csrf)) == "form_refused"
    assert problem(await page.post("posted")) == "form_refused"
    csrf = (await page.told())["csrf"]
    answer = await page.post("posted", csrf=csrf, comment="seen & noted")
    assert answer.json() == {"csrf": csrf, "comment": "seen & noted"}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{}", "application/json"),
        (b"csrf=%s", "text/plain"),
        (b"csrf=%s" + b"&a=b" * 60, "application/x-www-form-urlencoded"),
        (b"csrf=%s&a=" + b"x" * 70_000, "application/x-www-form-urlencoded"),
        (b"csrf=%s&a=\xff", "application/x-www-form-urlencoded"),
    ],
    ids=["json", "text", "many", "large", "bytes"],
)
async def test_what_is_no_form_of_ours_is_refused(
    content: bytes, kind: str, readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    sent = content.replace(b"%s", (await page.told())["csrf"].encode())
    answer = await readmit.http.post(
        f"/smart/s/{page.id}/posted",
        content=sent,
        headers={"origin": PUBLIC, "content-type": kind},
    )
    assert problem(answer) == "form_refused"


async def test_a_refused_view_is_recorded(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    answer = await readmit.get(f"/smart/s/{page.id}/refused/{ASSESSMENT}")
    assert (answer.status_code, problem(answer)) == (403, "view_refused")
    async with readmit.state.store.database.reading() as connection:
        (row,) = (await connection.execute(select(REFUSED_VIEW))).mappings().all()
        (link,) = (await connection.execute(select(AUDIT))).mappings().all()
    assert (row["tenant"], row["assessment_uuid"]) == ("north", ASSESSMENT)
    assert (row["user_id"], row["reason"]) == (f"{north.base}/{USER}", "other_patient")
    assert (link["kind"], link["subject"]) == ("refused", row["uuid"])
    assert await found(readmit.state.store) == []


async def test_what_is_no_id_of_an_assessment_is_not_recorded(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    answer = await readmit.get(f"/smart/s/{page.id}/refused/{PATIENT}")
    assert problem(answer) == "not_found"
    assert await rows(readmit, REFUSED_VIEW) == 0


async def test_a_refused_view_that_was_changed_is_found(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    await readmit.get(f"/smart/s/{page.id}/refused/{ASSESSMENT}")
    async with readmit.state.store.database.writing() as connection:
        await connection.execute(REFUSED_VIEW.update().values(user_id="somebody else"))
    assert "was changed after it was written" in str(await found(readmit.state.store))
    async with readmit.state.store.database.writing() as connection:
        await connection.execute(REFUSED_VIEW.delete())
    assert "is gone" in str(await found(readmit.state.store))


async def test_the_worklist_is_for_care_managers_alone(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    alone = {"for": "worklist"}
    async with serving(tmp_path, entry("north", north.base), clock=clock) as readmit:
        begun = await readmit.get("/smart/standalone", params=alone)
        assert problem(await readmit.follow(begun)) == "not_care_manager"
        with north.failing(id_token="missing"):
            begun = await readmit.get("/smart/standalone", params=alone)
            assert problem(await readmit.follow(begun)) == "identity_unproven"
    for listed in (USER, f"{north.base}/{USER}"):
        told = entry("north", north.base, care_managers=(listed,))
        async with serving(tmp_path, told, clock=clock) as readmit:
            begun = await readmit.get("/smart/standalone", params=alone)
            page = readmit.page(await readmit.follow(begun))
            assert page.path.endswith("/worklist")
            session = await page.told()
            assert (session["kind"], session["patient"]) == ("worklist", None)
            assert session["granted"] == ["Encounter", "Location", "Patient"]
            assert (await readmit.get(f"/smart/s/{page.id}/of-all")).status_code == 200
            of_one = await readmit.get(f"/smart/s/{page.id}/of-a-patient")
            assert (of_one.status_code, problem(of_one)) == (403, "worklist_only")
            one = await readmit.session(north)
            of_all = await readmit.get(f"/smart/s/{one.id}/of-all")
            assert (of_all.status_code, problem(of_all)) == (403, "patient_only")


@pytest.mark.slow
async def test_a_session_ends_with_its_tenants_registration(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with serving(tmp_path, entry("north", north.base), clock=clock) as readmit:
        page = await readmit.session(north)
        cookies = readmit.http.cookies
    for told in (
        entry("south", north.base),
        entry("north", "https://elsewhere.example/fhir"),
        entry("north", north.base).partition("[tenant.smart]")[0],
    ):
        async with serving(tmp_path, told, clock=clock) as readmit:
            readmit.http.cookies = cookies
            assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"
    async with serving(tmp_path, entry("north", north.base), clock=clock) as readmit:
        readmit.http.cookies = cookies
        assert (await Page(readmit, page.path).told())["patient"] == PATIENT


async def test_sessions_end_with_their_storage_key(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    told = entry("north", north.base)
    async with serving(tmp_path, told, clock=clock) as readmit:
        page = await readmit.session(north)
        cookies = readmit.http.cookies
    other = "YW5vdGhlciBrZXkgb2YgdGhlIHRlc3RzLCAzMmJ5dGU="
    async with serving(tmp_path, told, clock=clock, storage_keys=(other,)) as readmit:
        readmit.http.cookies = cookies
        assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"


async def test_what_another_version_stored_has_ended(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    await readmit.state.smart.sessions.renew(page.id, {"iss": north.base}, generation=1)
    assert problem(await readmit.get(f"/smart/s/{page.id}/told")) == "session_ended"


async def test_two_tenants_with_servers_of_their_own(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    with fake_ehr(clock=clock) as south:
        south.register("readmit-south", CALLBACK)
        entries = (
            entry("north", north.base),
            entry("south", south.base, client_id="readmit-south"),
        )
        async with serving(tmp_path, *entries, clock=clock) as readmit:
            pages = [await readmit.session(ehr) for ehr in (north, south)]
            told = [await page.told() for page in pages]
            assert [each["tenant"] for each in told] == ["north", "south"]
            assert [each["iss"] for each in told] == [north.base, south.base]
            back = httpx.URL(str(readmit.visited[-6]))
            assert back.host == "readmit.example"
            answer = await readmit.follow(await readmit.launch(south))
            assert answer.headers["referrer-policy"] == "no-referrer"
