"""The page of a session: what it shows, of whom, and what is stored of what a user does there."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from cds_service.settings import READMISSION
from cds_service.storage.tables import ASSESSMENT, AUDIT, FEEDBACK, REFUSED_VIEW, SEALED
from tests.security.clients import ROOT, Clock
from tests.smart.ehr import faults
from tests.smart.ehr.serving import fake_ehr
from tests.smart.ehr.state import ENCOUNTER, PATIENT, FakeEhr
from tests.smart.signing_in import CALLBACK, Page, Readmit, entry, problem, serving

pytestmark = pytest.mark.sampled(6)

OTHER = ("oncology-patient-1", "oncology-stay-1")
MINUS = "\u2212"
HIDDEN = re.compile(r'name="assessment" value="([0-9a-f-]{36})"')
DEMO = {READMISSION: ROOT / "bundles" / "demo"}


@pytest.fixture
async def readmit(tmp_path: Path, north: FakeEhr, clock: Clock) -> AsyncIterator[Readmit]:
    """With a network, so that there is a probability and what moved it."""
    async with serving(tmp_path, entry("north", north.base), clock=clock, bundles=DEMO) as started:
        yield started


async def shown(page: Page, query: str = "") -> httpx.Response:
    answer = await page.browser.get(f"/smart/s/{page.id}/{query}")
    assert answer.status_code == 200, answer.text
    return answer


async def post(page: Page, name: str, **fields: str) -> httpx.Response:
    csrf = (await page.told())["csrf"]
    return await page.post(name, csrf=csrf, **fields)


async def scored(page: Page, **fields: str) -> str:
    """Score now; the id of the new assessment."""
    answer = await post(page, "score", **fields)
    assert answer.status_code == 303, answer.text
    name = httpx.URL(answer.headers["location"]).params["assessment"]
    assert (await row_of(page.browser, name))["uuid"] == name
    return name


async def rows(readmit: Readmit, table: Any) -> list[dict[str, Any]]:
    async with readmit.state.store.database.reading() as connection:
        return [dict(row) for row in (await connection.execute(select(table))).mappings()]


async def row_of(readmit: Readmit, name: str) -> dict[str, Any]:
    (row,) = [row for row in await rows(readmit, ASSESSMENT) if row["uuid"] == name]
    return row


@pytest.mark.slow
async def test_without_an_assessment_the_page_offers_to_make_one(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    assert "No assessment yet" in (await shown(page)).text
    name = await scored(page)
    row = await row_of(readmit, name)
    assert (row["hook"], row["outcome"], row["tenant"]) == ("smart", "scored", "north")
    assert (row["patient_id"], row["encounter_id"]) == (PATIENT, ENCOUNTER)
    assert row["user_id"] == f"{north.base}/Practitioner/example-clinician"
    html = (await shown(page)).text
    assert name in html
    assert len(html.encode()) < 100_000


async def test_the_page_says_the_numbers_of_the_card(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    found = await readmit.state.store.assessment("north", name)
    assert found is not None
    assert found.contents is not None
    card = found.contents["card"]
    html = (await shown(page)).text
    assert card["summary"] in html
    for each in card["extension"]["org.readmit.readmission"]["contributions"]:
        assert f"{each['log_odds']:+.2f}" in html.replace(MINUS, "-")


async def test_a_card_opens_the_assessment_that_made_it(readmit: Readmit, north: FakeEhr) -> None:
    first = await scored(await readmit.session(north))
    again = await readmit.another_browser().session(north)
    second = await scored(again)
    card = await readmit.another_browser().session(north, app_context=first)
    html = (await shown(card)).text
    assert set(HIDDEN.findall(html)) == {first}
    assert f"?assessment={second}" in html  # the later one is in the history


async def test_a_token_that_was_taken_back_before_its_time_is_replaced(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    north.expire_all()  # by its own word it is good for an hour
    before = len(north.asked("/auth/token"))
    await scored(page)
    assert [each["grant_type"] for each in north.asked("/auth/token")[before:]] == ["refresh_token"]


async def test_a_token_that_was_taken_back_for_good_is_said(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    north.expire_all()
    with north.failing(refresh_refused=True):
        assert problem(await post(page, "score")) == "record_unread"
    assert problem(await readmit_get(page, "")) == "session_ended"


@pytest.mark.slow
async def test_scored_again_both_are_shown(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    first = await scored(page)
    answer = await post(page, "score", assessment=first)
    location = httpx.URL(answer.headers["location"])
    assert (location.path, location.params["before"]) == (f"/smart/s/{page.id}/", first)
    assert answer.headers["referrer-policy"] == "no-referrer"
    html = (await readmit.get(str(location))).text
    assert "What changed" in html


@pytest.mark.slow
@pytest.mark.parametrize(
    "query", ["?assessment={}", "?before={}", "received/{}/1", "model-card?assessment={}"]
)
async def test_another_patients_assessment_is_refused_and_recorded(
    readmit: Readmit, north: FakeEhr, query: str
) -> None:
    theirs = await scored(await readmit.session(north, patient=OTHER[0], encounter=OTHER[1]))
    page = await readmit.another_browser().session(north)
    await scored(page)
    answer = await readmit_get(page, query.format(theirs))
    assert (answer.status_code, problem(answer)) == (403, "view_refused")
    assert theirs not in answer.text
    (refused,) = await rows(readmit, REFUSED_VIEW)
    assert (refused["assessment_uuid"], refused["reason"]) == (theirs, "other_patient")
    (link,) = [row for row in await rows(readmit, AUDIT) if row["kind"] == "refused"]
    assert link["subject"] == refused["uuid"]


async def readmit_get(page: Page, query: str) -> httpx.Response:
    return await page.browser.get(f"/smart/s/{page.id}/{query}")


@pytest.mark.slow
async def test_a_card_of_another_patient_opens_nothing(readmit: Readmit, north: FakeEhr) -> None:
    theirs = await scored(await readmit.session(north, patient=OTHER[0], encounter=OTHER[1]))
    page = await readmit.another_browser().session(north, app_context=theirs)
    answer = await readmit_get(page, "")
    assert (answer.status_code, problem(answer)) == (403, "view_refused")


async def test_a_card_of_another_stay_opens_nothing(readmit: Readmit, north: FakeEhr) -> None:
    name = await scored(await readmit.session(north))
    page = await readmit.another_browser().session(north, app_context=name, encounter="other-stay")
    answer = await readmit_get(page, "")
    assert (answer.status_code, problem(answer)) == (403, "view_refused")
    assert (await rows(readmit, REFUSED_VIEW))[-1]["reason"] == "other_encounter"


@pytest.mark.parametrize("name", ["0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11", "nothing", "' or 1=1"])
async def test_an_assessment_that_is_none_is_not_shown(
    readmit: Readmit, north: FakeEhr, name: str
) -> None:
    page = await readmit.session(north)
    answer = await readmit.get(f"/smart/s/{page.id}/", params={"assessment": name})
    assert answer.status_code in (403, 404)
    assert problem(answer) in ("view_refused", "not_found")


@pytest.mark.slow
async def test_a_resource_is_shown_as_it_was_received(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    found = await readmit.state.store.assessment("north", name)
    assert found is not None
    assert found.contents is not None
    html = (await shown(page)).text
    linked = set(re.findall(rf"received/{name}/(\d+)", html))
    assert linked
    assert len(linked) <= len(found.contents["received"])
    for number in sorted(linked, key=int)[:5]:
        answer = await readmit_get(page, f"received/{name}/{number}")
        reference, resource = sorted(found.contents["received"].items())[int(number) - 1]
        assert answer.status_code == 200
        assert resource["id"] in answer.text
        assert reference.partition("/")[0] in answer.text
    assert problem(await readmit_get(page, f"received/{name}/9999")) == "not_found"


async def test_the_model_card_is_one_click_away(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    assert f"model-card?assessment={name}" in (await shown(page)).text
    answer = await readmit_get(page, f"model-card?assessment={name}")
    assert "not for clinical use" in answer.text.lower()


@pytest.mark.parametrize(
    ("fields", "stored"),
    [
        ({"outcome": "accepted"}, ("accepted", None, False)),
        ({"outcome": "overridden"}, ("overridden", None, False)),
        (
            {"outcome": "overridden", "reason": "patient-preference", "comment": "Spoke to her."},
            ("overridden", "patient-preference", True),
        ),
    ],
)
async def test_an_answer_is_stored_as_an_ehrs_is(
    readmit: Readmit, north: FakeEhr, fields: dict[str, str], stored: tuple[str, str | None, bool]
) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    if "reason" in fields:
        html = (await shown(page)).text
        offered = re.findall(r'<option value="([^"]+)">', html)
        fields, stored = fields | {"reason": offered[0]}, (stored[0], offered[0], stored[2])
    answer = await post(page, "feedback", assessment=name, **fields)
    assert answer.status_code == 303, answer.text
    (entry_row,) = await rows(readmit, FEEDBACK)
    row = await row_of(readmit, name)
    assert (entry_row["card_uuid"], entry_row["assessment_uuid"]) == (row["card_uuid"], name)
    assert (entry_row["outcome"], entry_row["reason_code"], entry_row["commented"]) == stored
    assert entry_row["user_id"] == row["user_id"] is not None
    sealed = {each["subject"] for each in await rows(readmit, SEALED)}
    assert (entry_row["uuid"] in sealed) == stored[2]
    assert "This card was answered" in (await shown(page)).text


@pytest.mark.parametrize(
    "fields",
    [{}, {"outcome": "ignored"}, {"outcome": "overridden", "reason": "none-of-ours"},
     {"outcome": "overridden", "comment": "x" * 4001}],
)  # fmt: skip
async def test_an_answer_that_says_nothing_is_refused(
    readmit: Readmit, north: FakeEhr, fields: dict[str, str]
) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    answer = await post(page, "feedback", assessment=name, **fields)
    assert (answer.status_code, problem(answer)) == (403, "form_refused")
    assert await rows(readmit, FEEDBACK) == []


@pytest.mark.parametrize("name", ["score", "feedback"])
async def test_nothing_is_done_without_the_pages_own_form(
    readmit: Readmit, north: FakeEhr, name: str
) -> None:
    page = await readmit.session(north)
    before = len(await rows(readmit, ASSESSMENT))
    for answer in (
        await page.post(name, csrf="guessed"),
        await page.post(name, origin="https://evil.example", csrf=(await page.told())["csrf"]),
        await page.post(name, origin=None, csrf=(await page.told())["csrf"]),
    ):
        assert (answer.status_code, problem(answer)) == (403, "form_refused")
    assert len(await rows(readmit, ASSESSMENT)) == before


async def test_a_stay_is_chosen_from_the_chart(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north, encounter=None)
    html = (await shown(page, "stays")).text
    offered = re.findall(r'name="stay" value="([^"]+)"', html)
    assert ENCOUNTER in offered
    name = await scored(page, stay=ENCOUNTER)
    assert (await row_of(readmit, name))["encounter_id"] == ENCOUNTER


async def test_a_stay_of_another_patient_is_not_scored(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    answer = await post(page, "score", stay=OTHER[1])
    assert answer.status_code == 502
    assert problem(answer) in ("record_unread", "record_of_another")
    assert await rows(readmit, ASSESSMENT) == []


async def test_a_stay_that_no_address_can_hold_is_refused(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    answer = await post(page, "score", stay=" " * 50_000)  # three times as long when escaped
    assert (answer.status_code, problem(answer)) == (403, "form_refused")


@pytest.mark.slow
async def test_a_denied_scope_is_not_read_and_said(readmit: Readmit, north: FakeEhr) -> None:
    with north.failing(granted=faults.without("Observation")):
        page = await readmit.session(north)
        assert (await page.told())["denied"] == ["Observation"]
        name = await scored(page)
    found = await readmit.state.store.assessment("north", name)
    assert found is not None
    assert found.contents is not None
    assert found.contents["sources"]["Observation"] == "not_read"
    html = (await shown(page)).text
    assert "Access was not granted to" in html
    assert "Observation" in html


async def test_a_silent_site_shows_no_number_anywhere(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    silent = entry("north", north.base).replace("[tenant.smart]", "silent = true\n[tenant.smart]")
    async with serving(tmp_path, silent, clock=clock, bundles=DEMO) as readmit:
        page = await readmit.session(north)
        name = await scored(page)
        assert (await row_of(readmit, name))["probability"] is not None
        for query in ("", f"?assessment={name}", f"received/{name}/1"):
            html = (await shown(page, query)).text
            assert "silently" in html
            assert "%" not in html


async def test_what_was_made_silently_is_not_shown_afterwards(
    readmit: Readmit, north: FakeEhr
) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    async with readmit.state.store.database.writing() as connection:
        await connection.execute(ASSESSMENT.update().values(silent=True))
    assert "No assessment yet" in (await shown(page)).text
    answer = await readmit_get(page, f"?assessment={name}")
    assert (answer.status_code, problem(answer)) == (403, "view_refused")
    assert (await rows(readmit, REFUSED_VIEW))[-1]["reason"] == "made_silently"


@pytest.mark.slow
async def test_purged_inputs_are_said(readmit: Readmit, north: FakeEhr) -> None:
    page = await readmit.session(north)
    name = await scored(page)
    async with readmit.state.store.database.writing() as connection:
        await connection.execute(SEALED.delete().where(SEALED.c.subject == name))
    assert "purged" in (await shown(page, f"?assessment={name}")).text


@pytest.mark.slow
async def test_two_hospitals_never_see_each_others(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    with fake_ehr(clock=clock) as south:
        south.register("readmit", CALLBACK)
        both = (entry("north", north.base), entry("south", south.base))
        async with serving(tmp_path, *both, clock=clock, bundles=DEMO) as readmit:
            name = await scored(await readmit.session(north))
            page = await readmit.another_browser().session(south)
            assert "No assessment yet" in (await shown(page)).text  # the same patient id
            answer = await readmit_get(page, f"?assessment={name}")
            assert (answer.status_code, problem(answer)) == (403, "view_refused")


@pytest.mark.slow
async def test_one_tenants_servers_may_give_two_patients_the_same_id(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    with fake_ehr(clock=clock) as clinic:
        clinic.register("readmit", CALLBACK)
        one = entry("north", north.base, clinic.base)
        async with serving(tmp_path, one, clock=clock, bundles=DEMO) as readmit:
            name = await scored(await readmit.session(north))
            assert (await row_of(readmit, name))["fhir_server"] == north.base
            page = await readmit.another_browser().session(clinic)
            assert "No assessment yet" in (await shown(page)).text
            answer = await readmit_get(page, f"?assessment={name}")
            assert (answer.status_code, problem(answer)) == (403, "view_refused")
            assert (await rows(readmit, REFUSED_VIEW))[-1]["reason"] == "other_server"
            theirs = await scored(page)
            cards = [(await row_of(readmit, each))["card_uuid"] for each in (name, theirs)]
            assert cards[0] != cards[1]
