"""A server that is searched: whose records by each form of the address, whole, and page by page."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cds_service.batch.errors import BatchError
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.bulk.export import TYPES
from cds_service.batch.sources.searching.asking import asked_of, base_of, classes_of, read_ids
from fhir_mapping.profiles import load_profile
from tests.batch.bulk_server.faults import Canned, outcome
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import NOW, Time, registration
from tests.batch.searches import Searching, references, stays

pytestmark = pytest.mark.sampled(8)
OPEN = Choice("open")
EVERYTHING = {
    *(f"Patient/p{n}" for n in range(3)),
    *(f"Encounter/{when}-{n}" for n in range(3) for when in ("now", "then")),
    *(f"Observation/o{n}-{each}" for n in range(3) for each in range(5)),
    *(f"MedicationRequest/r{n}" for n in range(3)),
    "Location/ward-0",
    "Location/ward-1",
    "Medication/m",
}


def of(*numbers: int) -> set[str]:
    """What there is of these patients alone."""
    others = {n for n in range(3) if n not in numbers}
    endings = [f"p{n}" for n in others] + [f"-{n}" for n in others] + [f"r{n}" for n in others]
    own = {each for each in EVERYTHING if not each.startswith(("Location", "Observation"))}
    kept = {each for each in own if not each.endswith(tuple(endings))}
    wards = {f"Location/ward-{n % 2}" for n in numbers} | {"Location/ward-0"}
    return kept | wards | {f"Observation/o{n}-{each}" for n in numbers for each in range(5)}


FOREVER = datetime(9999, 12, 31, tzinfo=UTC)


@pytest.fixture
def search(server: FakeBulk, time: Time, tmp_path: Path) -> Searching:
    server.records = stays()
    return Searching(server, tmp_path / "received", time, registration(server))


async def test_a_base_alone_is_the_worklist(search: Searching, server: FakeBulk) -> None:
    arrived = await search.arrive(choice=OPEN)
    assert references(arrived) == EVERYTHING
    assert (arrived.types, arrived.partial, arrived.doubted) == (frozenset(TYPES), frozenset(), {})
    assert (arrived.stays, arrived.absent, arrived.transaction_time) == (None, 0, NOW)
    asked = server.at("Encounter")[0].query
    assert asked["class"] == "IMP,ACUTE"
    assert asked["status"] == "arrived,in-progress,onleave,triaged"


@pytest.mark.parametrize(
    ("until", "asked_until"),
    [(datetime(2026, 11, 20, tzinfo=UTC), "2026-11-21"), (FOREVER, "9999-12-31")],
)
async def test_finished_stays_are_asked_for_by_day_wherever_the_servers_midnight_is(
    search: Searching, server: FakeBulk, until: datetime, asked_until: str
) -> None:
    since = datetime(2026, 11, 1, tzinfo=UTC)
    await search.arrive(choice=Choice(since=since, until=until))
    asked = server.seen[2]
    assert asked.step == "Encounter"
    assert asked.query["status"] == "finished"
    assert f"date=ge2026-10-31&date=lt{asked_until}" in asked.raw_query


async def test_a_search_of_the_users_own_fixes_the_stays(
    search: Searching, server: FakeBulk
) -> None:
    query = "status=in-progress&_lastUpdated=ge2026-11-20T00:00:00Z"
    arrived = await search.arrive(f"/Encounter?{query}")
    assert arrived.stays == {f"p{n}": (f"now-{n}",) for n in range(3)}
    assert server.seen[2].raw_query == query
    assert references(arrived) == EVERYTHING


async def test_a_group_is_its_active_patients(search: Searching, server: FakeBulk) -> None:
    server.group = {"p1", "p2"}
    arrived = await search.arrive("/Group/ward-7")
    assert references(arrived) == of(1, 2)
    assert arrived.stays is None


async def test_a_list_of_patients_and_stays(search: Searching) -> None:
    listed = read_ids("Patient/p0\n\nEncounter/then-2\n  Encounter/now-2 \nPatient/p0\n")
    arrived = await search.arrive(ids=listed)
    assert references(arrived) == of(0, 2)
    assert arrived.stays == {"p0": None, "p2": ("then-2", "now-2")}


async def test_who_is_not_there_is_counted(search: Searching, server: FakeBulk) -> None:
    arrived = await search.arrive(ids=("Patient/p0", "Patient/nobody", "Encounter/none"))
    assert references(arrived) == of(0)
    assert arrived.absent == 2
    assert (arrived.types, arrived.doubted) == (frozenset(TYPES), {})


async def test_pages_are_followed_to_their_end(search: Searching, server: FakeBulk) -> None:
    server.faults.page_size = 2
    assert references(await search.arrive()) == EVERYTHING
    assert len(server.at("Observation")) == 9


async def test_relative_links_too(search: Searching, server: FakeBulk) -> None:
    server.faults.page_size = 2
    server.faults.next_link = lambda url: url.rpartition("/")[2]
    assert references(await search.arrive()) == EVERYTHING


async def test_what_several_refer_to_is_read_once(search: Searching, server: FakeBulk) -> None:
    await search.arrive(choice=OPEN)
    assert len(server.at("Location/")) == 2
    assert len(server.at("Medication/")) == 1


async def test_references_of_every_form(search: Searching, server: FakeBulk) -> None:
    one = server.records["Encounter"][0]
    written = [
        f"{server.base}/Location/ward-2",
        "Location/ward-2/_history/3",
        "Location?identifier=urn:wards|w9",
        "https://elsewhere.example/fhir/Location/ward-0",
        "urn:uuid:0d2c5b0a-54a5-5a3f-8d0e-0c4f6f0f3b6e",
        "#inside",
        "Location/gone",
    ]
    one["location"] = [{"location": {"reference": each}} for each in written]
    identifier = [{"system": "urn:wards", "value": "w9"}]
    server.records["Location"].append(
        {"resourceType": "Location", "id": "nine", "identifier": identifier}
    )
    arrived = await search.arrive()
    found = {each for each in references(arrived) if each.startswith("Location")}
    assert found == {f"Location/{each}" for each in ("ward-0", "ward-1", "ward-2", "nine")}
    assert "Location" not in arrived.partial
    assert {each.path.rpartition("/")[2] for each in server.at("Location/")} >= {"gone", "ward-2"}


async def test_never_more_than_a_few_at_once(search: Searching, server: FakeBulk) -> None:
    """The server answers none of four searches before all of them are there."""
    server.records, server.together = stays(80), asyncio.Barrier(4)
    await search.arrive(ids=tuple(f"Patient/p{n}" for n in range(80)))
    assert server.most_at_once == 4


async def test_nobody_is_a_result(search: Searching, server: FakeBulk) -> None:
    server.records = {}
    arrived = await search.arrive()
    assert (arrived.files, arrived.types) == ((), frozenset(TYPES))


async def test_records_that_are_here_are_not_asked_for_again(
    search: Searching, server: FakeBulk
) -> None:
    first = await search.arrive()
    asked = len(server.seen)
    assert await search.arrive() == first
    assert len(server.seen) == asked
    with pytest.raises(BatchError, match="holds another search"):
        await search.arrive(choice=OPEN)


async def test_progress_is_told(search: Searching, time: Time) -> None:
    await search.arrive()
    assert {"Search for stays", "Receive records", "Receive what they refer to"} <= {*time.said}


async def test_tokens_are_made_anew_on_the_way(search: Searching, server: FakeBulk) -> None:
    server.on_request = lambda: len(server.seen) % 10 or server.tokens.clear()
    assert references(await search.arrive()) == EVERYTHING
    assert len(server.at("token")) > 3


async def test_what_the_scope_leaves_out_is_not_read(search: Searching, server: FakeBulk) -> None:
    scope = "system/Patient.rs system/Encounter.rs system/Observation.rs?category=laboratory"
    server.faults.token_response = {"scope": scope}
    arrived = await search.arrive()
    assert arrived.types == {"Patient", "Encounter", "Observation"}
    assert arrived.partial == {"Observation"}
    assert not server.at("Condition")
    assert not server.at("Location/")


async def test_no_scope_at_all_is_said(search: Searching, server: FakeBulk) -> None:
    server.faults.token_response = {"scope": "system/Device.rs"}
    with pytest.raises(BatchError, match="lets none of the types be read"):
        await search.arrive()


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
async def test_a_type_that_is_refused_is_not_read_and_never_empty(
    search: Searching, server: FakeBulk, status: int
) -> None:
    server.faults.always["Condition"] = Canned(status, outcome("not-supported"))
    arrived = await search.arrive()
    assert arrived.types == frozenset(TYPES) - {"Condition"}
    assert (arrived.partial, arrived.doubted) == (frozenset(), {})


async def test_a_type_that_is_refused_for_one_patient_is_doubted_of_that_one(
    search: Searching, server: FakeBulk
) -> None:
    server.faults.instead["Condition"] = [Canned(403, outcome("forbidden"))]
    arrived = await search.arrive(at_once=1)
    assert arrived.types == frozenset(TYPES)
    assert arrived.doubted == {"p0": {"Condition"}}


@pytest.mark.parametrize(("step", "kind"), [("Encounter", "Encounter"), ("Patient/", "Patient")])
async def test_without_what_every_stay_needs_nobody_is_assessed(
    search: Searching, server: FakeBulk, step: str, kind: str
) -> None:
    server.faults.always[step] = Canned(403, outcome("forbidden"))
    with pytest.raises(BatchError, match=rf"{kind}: was given of no patient"):
        await search.arrive(ids=("Patient/p0", "Patient/p1"))


async def test_of_what_is_referred_to_some_or_all_may_be_refused(
    search: Searching, server: FakeBulk
) -> None:
    server.faults.instead["Location/"] = [Canned(403, outcome("forbidden"))]
    server.faults.always["Medication/"] = Canned(403, outcome("forbidden"))
    arrived = await search.arrive()
    assert arrived.types == frozenset(TYPES) - {"Medication"}
    assert arrived.partial == {"Location"}


def test_the_forms_of_an_address() -> None:
    base = "https://host.example/r4/fhir"
    for tail in ("", "/", "/Encounter?class=IMP", "/Group/7", "/$export", "/Group/7/$export"):
        assert base_of(f"{base}{tail}") == base
    with pytest.raises(BatchError, match="something else than Encounter"):
        base_of(f"{base}/Patient?name=x")
    with pytest.raises(BatchError, match="--ids: goes with the base"):
        asked_of(f"{base}/Group/7", Choice(), (), ("Patient/1",))
    assert asked_of(base, OPEN, (), None).stays == (
        f"{base}/Encounter?status=arrived,in-progress,onleave,triaged&_count=1000"
    )


@pytest.mark.parametrize(("text", "said"), [("Patient/1\nPatient 2\n", "line 2"), ("\n", "nobody")])
def test_a_list_that_is_none_is_said_by_its_line(text: str, said: str) -> None:
    with pytest.raises(BatchError, match=said) as refused:
        read_ids(text)
    assert "Patient 2" not in str(refused.value)


def test_classes_are_those_of_the_site() -> None:
    usual, mimic = load_profile("us_core"), load_profile("mimic")
    assert classes_of(usual, "hospital") == ("IMP", "ACUTE", "NONAC", "OBSENC", "SS")
    assert classes_of(usual, "ed") == ("EMER",)
    assert classes_of(mimic, "hospital") == ()
