"""The worklist in the service: who may see it, what it shows, what it says where the chart is silent."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.clients import Clock
from tests.service.patients import NOW
from tests.service.stored import add
from tests.smart.ehr import faults
from tests.smart.ehr.state import ENCOUNTER, PATIENT, USER, FakeEhr
from tests.smart.signing_in import Page, Readmit, entry, problem, serving

pytestmark = pytest.mark.sampled(3)

ALERTS = "[tenant.alerts.readmission-risk]\nper_day = 1\n"


@asynccontextmanager
async def worklist(
    folder: Path, north: FakeEhr, clock: Clock, *, more: str = ALERTS, zone: str = "UTC"
) -> AsyncIterator[tuple[Readmit, Page]]:
    """The service, and a care manager's session."""
    told = entry("north", north.base, care_managers=(USER,))
    told = told.replace("[tenant.smart]", f'zone = "{zone}"\n[tenant.smart]') + more
    async with serving(folder, told, clock=clock) as readmit:
        begun = await readmit.get("/smart/standalone", params={"for": "worklist"})
        yield readmit, readmit.page(await readmit.follow(begun))


async def stored(readmit: Readmit, **columns: Any) -> None:
    given: dict[str, Any] = {"created_at": NOW, "patient_id": PATIENT, "encounter_id": ENCOUNTER}
    given["fhir_server"] = readmit.state.smart.servers[0].base
    await add(readmit.state.store, **(given | columns))


async def shown(readmit: Readmit, page: Page, **query: str) -> httpx.Response:
    return await readmit.get(f"/smart/s/{page.id}/worklist", params=query)


async def exported(readmit: Readmit, page: Page, **query: str) -> httpx.Response:
    return await readmit.get(f"/smart/s/{page.id}/worklist.csv", params=query)


async def test_the_days_stays_are_ranked_with_names_read_now(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit, probability=0.42)
        await stored(readmit, patient_id="nobody", encounter_id="unknown", probability=0.11)
        await stored(readmit, patient_id="q", encounter_id="f", outcome="not_scored",
                     reason="under_18", probability=None)  # fmt: skip
        answer = await shown(readmit, page)
        table = await exported(readmit, page)
    text = answer.text
    assert answer.status_code == 200
    assert text.index("42 %") < text.index("Your team") < text.index("11 %")
    assert "Margaret" in text
    assert "name not read" in text
    assert "Of 2 stays name, place and state were not read" in text
    assert "the patient is under 18" in text
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "<script" not in text
    assert "style=" not in text
    assert table.status_code == 200
    assert table.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert table.headers["content-disposition"] == (
        'attachment; filename="readmit-worklist-2026-11-21.csv"'
    )
    assert "Margaret" in table.text


async def test_a_token_that_was_taken_back_before_its_time_is_replaced(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit, probability=0.42)
        north.expire_all()
        assert "Margaret" in (await shown(readmit, page)).text


async def test_another_servers_patients_are_on_no_list_of_this_one(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit, probability=0.42, fhir_server="https://clinic.example/r4")
        for answer in (await shown(readmit, page), await exported(readmit, page)):
            assert answer.status_code == 200
            assert "42 %" not in answer.text
            assert "Margaret" not in answer.text


@pytest.mark.slow
async def test_chunks_are_asked_with_the_users_own_token(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        before = len(north.asked("/fhir/Encounter"))
        for number in range(60):
            await stored(readmit, patient_id=f"p{number}", encounter_id=f"e{number}")
        assert (await shown(readmit, page)).status_code == 200
        asked = north.asked("/fhir/Encounter")[before:]
    assert sorted(each["_id"].count(",") for each in asked) == [9, 49]


async def test_what_the_server_says_of_another_patient_is_not_believed(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit, patient_id="somebody-else")
        text = (await shown(readmit, page)).text
    assert "Margaret" not in text
    assert "somebody-else" in text
    assert "Of 1 stay name" in text


@pytest.mark.slow
@pytest.mark.parametrize("status", [401, 403, 500])
async def test_without_the_chart_the_list_is_there_with_ids(
    status: int, tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit)
        with north.failing(fhir_status={"*": status}):
            answer = await shown(readmit, page)
    assert answer.status_code == 200
    assert ENCOUNTER in answer.text
    assert "name not read" in answer.text


async def test_day_and_unit_are_chosen(tmp_path: Path, north: FakeEhr, clock: Clock) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit, probability=0.42)
        today = (await shown(readmit, page)).text
        before = (await shown(readmit, page, day="2026-11-20")).text
        nowhere = (await shown(readmit, page, unit="Nowhere <b>")).text
        units = re.findall(r"<option>([^<]+)</option>", today)
        there = (await shown(readmit, page, unit=units[0])).text if units else "42 %"
        other = (await shown(readmit, page, service="no-such")).text
    assert "42 %" in today
    assert "No stay with a score." in before
    assert "42 %" not in nowhere
    assert "Nowhere &lt;b&gt;" in nowhere
    assert "42 %" in there
    assert "42 %" in other


async def test_the_day_begins_at_the_sites_midnight(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    late = NOW.replace(hour=20)
    async with worklist(tmp_path, north, clock, zone="Pacific/Auckland") as (readmit, page):
        await stored(readmit, probability=0.42, created_at=late)
        assert "42 %" not in (await shown(readmit, page, day="2026-11-21")).text
        assert "42 %" in (await shown(readmit, page, day="2026-11-22")).text


async def test_another_tenants_stays_are_not_listed(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit, tenant="south", probability=0.42)
        assert "No stay with a score." in (await shown(readmit, page)).text
        assert "42 %" not in (await exported(readmit, page)).text


async def test_a_patients_session_is_told_to_start_the_worklist(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, _):
        one = await readmit.session(north)
        for answer in (await shown(readmit, one), await exported(readmit, one)):
            assert (answer.status_code, problem(answer)) == (403, "patient_only")
            assert "Start the worklist on its own" in answer.text


async def test_whoever_is_taken_off_the_list_sees_no_more(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit)
        for server in readmit.state.smart.servers:
            off = server.registration.model_copy(update={"care_managers": ("Practitioner/9",)})
            object.__setattr__(server, "tenant", server.tenant.model_copy(update={"smart": off}))
        for answer in (await shown(readmit, page), await exported(readmit, page)):
            assert (answer.status_code, problem(answer)) == (403, "not_care_manager")
            assert "care_managers" in answer.text
            assert ENCOUNTER not in answer.text


async def test_without_the_users_own_scopes_there_is_no_list(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    alone = {"for": "worklist"}
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit)
        for granted in (faults.without("Encounter"), faults.without("Encounter", "Patient")):
            with north.failing(granted=granted):
                begun = await readmit.get("/smart/standalone", params=alone)
                answer = await readmit.follow(begun)
                assert (answer.status_code, problem(answer)) == (403, "consent_denied")
        assert (await shown(readmit, page)).status_code == 200


async def test_whoever_loses_the_access_sees_no_more(
    tmp_path: Path, north: FakeEhr, clock: Clock
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit)
        for access in north.refreshes.values():
            kept = tuple(each for each in access.scopes if "/Encounter." not in each)
            object.__setattr__(access, "scopes", kept)
        token = f"/smart/s/{page.id}/token"
        first = (await readmit.get(token)).json()
        await readmit.get(token, params={"rejected": first})
        for answer in (await shown(readmit, page), await exported(readmit, page)):
            assert (answer.status_code, problem(answer)) == (403, "consent_denied")


async def test_a_silent_site_lists_nobody(tmp_path: Path, north: FakeEhr, clock: Clock) -> None:
    told = entry("north", north.base, care_managers=(USER,))
    told = told.replace("[tenant.smart]", "silent = true\n[tenant.smart]")
    async with serving(tmp_path, told, clock=clock) as readmit:
        begun = await readmit.get("/smart/standalone", params={"for": "worklist"})
        page = readmit.page(await readmit.follow(begun))
        await stored(readmit, probability=0.42)
        for answer, status in (
            (await shown(readmit, page), 200),
            (await exported(readmit, page), 403),
        ):
            assert answer.status_code == status
            assert "silently" in answer.text
            assert "42 %" not in answer.text
            assert ENCOUNTER not in answer.text


async def test_no_patient_is_in_an_address_or_in_the_log(
    tmp_path: Path, north: FakeEhr, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with worklist(tmp_path, north, clock) as (readmit, page):
        await stored(readmit)
        text = (await shown(readmit, page)).text
        await exported(readmit, page)
    addresses = re.findall(r'(?:href|action)="([^"]*)"', text)
    assert addresses
    written = capsys.readouterr().err
    for secret in (PATIENT, ENCOUNTER, "Margaret"):
        assert not any(secret in each for each in (*addresses, *readmit.visited))
        assert secret not in written


async def test_the_style_of_the_list_is_served(readmit: Readmit) -> None:
    answer = await readmit.get("/smart/static/worklist.css")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")
