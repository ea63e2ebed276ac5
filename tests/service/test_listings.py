"""Lists of assessments: of a patient, page by page, and the stays of a day; on both databases."""

from datetime import datetime, timedelta
from typing import Any

from cds_service.storage.listings import StayOfDay
from cds_service.storage.store import Store
from tests.service import stored
from tests.service.stored import CONTENTS, SERVICE, START, new_uuid

DAY = timedelta(days=1)
SERVER = "https://fhir.north.example/r4"
UNSCORED: dict[str, Any] = {
    "outcome": "not_scored",
    "reason": "deceased",
    "probability": None,
    "lace_points": None,
    "hospital_points": None,
}


async def add(store: Store, tenant: str = "north", **columns: Any) -> dict[str, Any]:
    return await stored.add(store, tenant, **({"fhir_server": SERVER} | columns))


async def stays(store: Store, since: datetime = START) -> list[StayOfDay]:
    until = since + DAY
    return await store.stays_of("north", SERVICE, fhir_server=SERVER, since=since, until=until)


async def test_pages_of_a_patient_newest_first_without_gap_or_repeat(store: Store) -> None:
    made = [(await add(store, patient_id="p"))["uuid"] for _ in range(5)]
    await add(store, patient_id="other")
    await add(store, "south", patient_id="p")
    listed, before = [], None
    while True:
        page = await store.page_of_patient("north", "p", limit=2, before=before)
        assert page.total == 5
        listed += [each.row["uuid"] for each in page.shown]
        before = page.more
        if before is None:
            break
    assert listed == made[::-1]
    assert page.shown[0].contents == CONTENTS


async def test_a_page_that_is_just_full_is_the_last(store: Store) -> None:
    await add(store, patient_id="p")
    assert (await store.page_of_patient("north", "p", limit=1)).more is None
    assert (await store.page_of_patient("north", "q", limit=1)).total == 0


async def test_since_leaves_out_what_is_older(store: Store) -> None:
    await add(store, patient_id="p", created_at=START - DAY)
    new = await add(store, patient_id="p", created_at=START)
    page = await store.page_of_patient("north", "p", since=START, limit=9)
    assert ([each.row["uuid"] for each in page.shown], page.total) == ([new["uuid"]], 1)


async def test_one_assessment_is_found_by_its_own_tenant_only(store: Store) -> None:
    row = await add(store)
    found = await store.assessment("north", row["uuid"])
    assert found
    assert (found.row["uuid"], found.contents) == (row["uuid"], CONTENTS)
    assert await store.assessment("south", row["uuid"]) is None
    assert await store.assessment("north", new_uuid()) is None


async def test_stays_are_ranked_by_probability_then_points(store: Store) -> None:
    at: dict[str, Any] = {"created_at": START}
    await add(store, encounter_id="middle", probability=0.2, lace_points=3, **at)
    await add(store, encounter_id="points", probability=None, lace_points=12, **at)
    await add(store, encounter_id="more points", probability=None, lace_points=13, **at)
    await add(store, encounter_id="more lace", probability=0.2, lace_points=4, **at)
    await add(store, encounter_id="none", **UNSCORED, **at)
    await add(store, encounter_id="high", probability=0.9, lace_points=None, **at)
    order = [each.newest["encounter_id"] for each in await stays(store)]
    assert order == ["high", "more lace", "middle", "more points", "points", "none"]


async def test_a_stay_is_of_the_day_of_its_newest_assessment(store: Store) -> None:
    stay: dict[str, Any] = {"patient_id": "p", "encounter_id": "e"}
    await add(store, created_at=START, **stay)
    newest = await add(store, created_at=START + DAY, **stay)
    assert await stays(store) == []
    (found,) = await stays(store, START + DAY)
    assert found.newest["uuid"] == newest["uuid"]
    assert found.scored == found.newest
    assert await stays(store, START + 2 * DAY) == []


async def test_a_score_from_the_day_before_counts_where_the_newest_has_none(store: Store) -> None:
    stay: dict[str, Any] = {"patient_id": "p", "encounter_id": "e"}
    scored = await add(store, created_at=START - DAY, **stay)
    await add(store, created_at=START, first_showing=False, **stay, **UNSCORED)
    (found,) = await stays(store)
    assert found.newest["reason"] == "deceased"
    assert found.scored
    assert found.scored["uuid"] == scored["uuid"]


async def test_another_tenant_service_server_or_patient_is_another_stay(store: Store) -> None:
    at: dict[str, Any] = {"created_at": START, "encounter_id": "e"}
    for server in ("https://clinic.example/r4", None):
        await add(store, fhir_server=server, patient_id="p", probability=0.9, **at)
    await add(store, "south", patient_id="p", probability=0.9, **at)
    await add(store, service_id="other", patient_id="p", probability=0.9, **at)
    await add(store, patient_id="q", probability=0.1, **at)
    await add(store, patient_id="p", **UNSCORED, **at)
    await add(store, patient_id="p", encounter_id=None, created_at=START)
    found = await stays(store)
    assert [each.newest["patient_id"] for each in found] == ["q", "p"]
    assert found[1].scored is None


async def test_another_servers_later_assessment_takes_no_stay_off_the_list(store: Store) -> None:
    stay: dict[str, Any] = {"patient_id": "p", "encounter_id": "e"}
    ours = await add(store, created_at=START, **stay)
    await add(store, fhir_server="https://clinic.example/r4", created_at=START + DAY, **stay)
    (found,) = await stays(store)
    assert found.newest["uuid"] == ours["uuid"]


async def test_what_was_made_silently_is_on_no_list(store: Store) -> None:
    stay: dict[str, Any] = {"patient_id": "p", "encounter_id": "e"}
    await add(store, created_at=START, silent=True, first_showing=False, **stay)
    assert await stays(store) == []
    await add(store, created_at=START, first_showing=False, **stay, **UNSCORED)
    (found,) = await stays(store)
    assert found.scored is None


async def test_of_a_batch_only_what_has_just_ended_is_of_the_day(store: Store) -> None:
    by_batch = {"hook": "batch", "first_showing": False, "card_uuid": None}
    await add(store, encounter_id="seen", prediction_time=START - 3 * DAY, probability=0.2)
    await add(store, encounter_id="seen", prediction_time=START - 3 * DAY, **by_batch)
    await add(store, encounter_id="last year", prediction_time=START - 300 * DAY, **by_batch)
    await add(store, encounter_id="no end", prediction_time=None, **UNSCORED, **by_batch)
    await add(store, encounter_id="yesterday", prediction_time=START - DAY / 2, **by_batch)
    listed = {each.newest["encounter_id"]: each.newest["hook"] for each in await stays(store)}
    assert listed.pop("yesterday") == "batch"
    assert [*listed] == ["seen"]
    assert listed["seen"] != "batch"
