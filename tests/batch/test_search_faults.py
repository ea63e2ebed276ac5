"""What a server that is searched does wrong: waited out, counted, or said; never taken for an empty record."""

from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.export import TYPES
from tests.batch.bulk_server.faults import Canned, outcome
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import NOW, Time, registration
from tests.batch.searches import Searching, references, stays
from tests.batch.test_search import EVERYTHING

pytestmark = pytest.mark.sampled(10)
HTML = Canned(200, "<html>Sign in</html>", {"content-type": "text/html"})
TRUNCATED = Canned(200, '{"resourceType": "Bundle", "entry": [{"resource": {"resou')


@pytest.fixture
def search(server: FakeBulk, time: Time, tmp_path: Path) -> Searching:
    server.records, server.closed = stays(), False
    return Searching(server, tmp_path / "received", time)


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=9))}, 9.0),
        ({}, 1.0),
    ],
    ids=["seconds", "date", "unasked"],
)
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("step", ["Encounter", "Patient/", "Observation", "Location/"])
async def test_busy_is_waited_out_as_asked(
    search: Searching, server: FakeBulk, step: str, status: int, headers: Any, waits: float
) -> None:
    server.faults.instead[step] = [Canned(status, "", headers)]
    assert references(await search.arrive(at_once=1)) == EVERYTHING
    assert search.time.pauses == [waits]


@pytest.mark.parametrize("wrong", [HTML, TRUNCATED, Canned(200, ""), Canned(200, "[]")])
@pytest.mark.parametrize("step", ["Encounter", "Patient/", "Observation"])
async def test_what_is_no_whole_answer_is_asked_for_again(
    search: Searching, server: FakeBulk, step: str, wrong: Canned
) -> None:
    server.faults.instead[step] = [wrong, wrong]
    assert references(await search.arrive(at_once=1)) == EVERYTHING


@pytest.mark.parametrize(
    ("tail", "step", "fault", "said"),
    [
        ("", "Encounter", HTML, "something else than a Bundle"),
        ("", "Observation", TRUNCATED, "something else than a Bundle"),
        ("", "Encounter", Canned(404), "Check that the address is the base"),
        ("", "Encounter", Canned(401), r"give the tenant a \[tenant.backend\]"),
        ("", "Observation", Canned(401), r"give the tenant a \[tenant.backend\]"),
        ("", "Encounter", Canned(403, outcome("forbidden")), r"does not say who: status 403 \(for"),
        ("", "Encounter", Canned(200, outcome("processing")), "does not say who: status 200"),
        ("", "Condition", Canned(503), "failed 10 times in a row, last with status 503"),
        ("", "Condition", Canned(500, outcome("exception")), "gives nothing: status 500"),
        ("/Group/7", "group", Canned(404), "Check that the address is the base"),
        ("/Group/7", "group", HTML, "something else than a Group"),
    ],
)
async def test_what_does_not_pass_is_a_sentence(
    search: Searching, server: FakeBulk, tail: str, step: str, fault: Canned, said: str
) -> None:
    server.faults.always[step] = fault
    with pytest.raises(BatchError, match=said) as failed:
        await search.arrive(tail)
    assert "Sign in" not in str(failed.value)
    assert not list(search.folder.glob("records-*"))


async def test_a_list_asks_first_whether_the_server_is_one(
    search: Searching, server: FakeBulk
) -> None:
    server.faults.always["metadata"] = Canned(404)
    with pytest.raises(BatchError, match="Check that the address is the base of a FHIR server"):
        await search.arrive(ids=("Patient/p0",))


async def test_a_port_that_nobody_listens_at(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match="failed 4 times in a row, last with no answer"):
        await Searching(FakeBulk("http://127.0.0.1:1"), tmp_path).arrive()


@pytest.mark.parametrize(
    "onward",
    [
        lambda url: "https://elsewhere.example/fhir/Observation?page=2",
        lambda url: url.replace("/fhir/", "/other/"),
        lambda url: url.partition("&_page")[0],
        lambda url: "",
    ],
    ids=["elsewhere", "beside the base", "in a circle", "without an address"],
)
async def test_a_next_page_that_is_none_ends_the_run(
    search: Searching, server: FakeBulk, onward: Any
) -> None:
    server.faults.page_size, server.faults.next_link = 4, onward
    with pytest.raises(BatchError, match="has a next page that is none"):
        await search.arrive(ids=("Patient/p0",))


@pytest.mark.parametrize("step", ["Encounter", "Observation", "MedicationRequest"])
async def test_another_patients_record_ends_the_run(
    search: Searching, server: FakeBulk, step: str
) -> None:
    stranger = {"resourceType": step, "id": "x", "subject": {"reference": "Patient/stranger"}}
    server.faults.entries[step] = [{"resource": stranger, "search": {"mode": "match"}}]
    with pytest.raises(BatchError, match=rf"{step}: gives what is another patient's") as failed:
        await search.arrive(ids=("Patient/p0",))
    assert "stranger" not in str(failed.value)
    assert not list(search.folder.glob("records-*"))


async def test_a_patient_who_was_merged_into_another_ends_the_run(
    search: Searching, server: FakeBulk
) -> None:
    server.faults.always["Patient/"] = Canned(200, {"resourceType": "Patient", "id": "survivor"})
    with pytest.raises(BatchError, match="Patient: gives what is another patient's"):
        await search.arrive()


async def test_a_server_that_does_not_search_by_patient(
    search: Searching, server: FakeBulk
) -> None:
    server.faults.ignores_parameters = True
    with pytest.raises(BatchError, match="Ask those who run the server why it does not search"):
        await search.arrive()


def entry(resource: Any, mode: str | None = None) -> Any:
    return {"resource": resource} | ({"search": {"mode": mode}} if mode else {})


P0 = {"subject": {"reference": "Patient/p0"}}


@pytest.mark.parametrize(
    "added",
    [
        entry(outcome("processing"), "outcome"),
        entry(outcome("processing")),
        entry({"resourceType": "Observation", "id": "nobody's"}),
        entry({"resourceType": "Device", "id": "d"}, "match"),
        {"search": {"mode": "match"}},
    ],
    ids=["outcome", "outcome unnamed", "nobody's", "another type", "empty"],
)
async def test_a_search_that_went_wrong_in_part_is_doubted(
    search: Searching, server: FakeBulk, added: Any
) -> None:
    server.faults.entries["Observation"] = [added]
    server.faults.bundle = lambda bundle: {k: v for k, v in bundle.items() if k != "total"}
    arrived = await search.arrive(ids=("Patient/p0",))
    assert arrived.doubted == {"p0": {"Observation"}}
    assert arrived.types == frozenset(TYPES)


@pytest.mark.parametrize(
    "added",
    [
        entry(outcome("informational", "warning"), "outcome"),
        entry({"resourceType": "Encounter", "id": "now-0"} | P0, "include"),
        entry({"resourceType": "Provenance", "id": "p"}, "include"),
        entry({"resourceType": "Location", "id": "beside"}, "include"),
    ],
    ids=["warning", "own stay", "of no use", "location"],
)
async def test_what_comes_beside_the_matches_is_no_fault(
    search: Searching, server: FakeBulk, added: Any
) -> None:
    server.faults.entries["Observation"] = [added]
    arrived = await search.arrive(ids=("Patient/p0",))
    assert arrived.doubted == {}
    assert not any(each.startswith("Provenance") for each in references(arrived))


@pytest.mark.parametrize(("total", "doubted"), [(5, {}), (6, {"p0": {"Observation"}}), (None, {})])
async def test_fewer_than_the_total_are_doubted(
    search: Searching, server: FakeBulk, total: int | None, doubted: Any
) -> None:
    def counted(bundle: Any) -> Any:
        kinds = {each["resource"]["resourceType"] for each in bundle["entry"]}
        return bundle | {"total": total} if kinds == {"Observation"} else bundle

    server.faults.bundle = counted
    assert (await search.arrive(ids=("Patient/p0",))).doubted == doubted


async def test_a_worklist_with_an_error_in_it_is_no_worklist(
    search: Searching, server: FakeBulk
) -> None:
    server.faults.entries["Encounter"] = [entry(outcome("incomplete"), "outcome")]
    with pytest.raises(BatchError, match="the search went wrong"):
        await search.arrive()


async def test_stays_that_a_worklist_promises_and_lacks_are_counted(
    search: Searching, server: FakeBulk
) -> None:
    server.records["Encounter"] += [
        {"resourceType": "Encounter", "id": "nobody's", "status": "finished"},
        {"resourceType": "Encounter", "id": "a-group's", "subject": {"reference": "Group/1"}},
    ]
    server.faults.bundle = lambda bundle: bundle | {"total": bundle["total"] and 10}
    arrived = await search.arrive("/Encounter")
    assert arrived.absent == 4  # two of nobody, two of ten that did not come
    assert len(arrived.stays or ()) == 3


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ({"actual": False}, "describes its members"),
        ({"member": [{"entity": {"reference": "Group/8"}}]}, "has groups as members"),
        ({"member": "all"}, "no Group that can be read"),
    ],
)
async def test_a_group_that_lists_nobody_here(
    search: Searching, server: FakeBulk, group: Any, said: str
) -> None:
    server.faults.always["group"] = Canned(200, {"resourceType": "Group"} | group)
    with pytest.raises(BatchError, match=said):
        await search.arrive("/Group/7")


async def test_a_server_without_a_clock_has_no_transaction_time(
    search: Searching, server: FakeBulk
) -> None:
    bundle = {"resourceType": "Bundle", "type": "searchset", "entry": []}
    server.faults.instead["Encounter"] = [Canned(200, bundle)]
    assert (await search.arrive()).transaction_time is None


async def test_a_token_that_is_never_good_names_no_record(
    search: Searching, server: FakeBulk
) -> None:
    server.closed, search.registered = True, registration(server)
    server.on_request = lambda: server.seen[-1].step == "Patient/" and server.tokens.clear()
    with pytest.raises(BatchError, match="does not take the token") as failed:
        await search.arrive()
    assert "Patient:" in str(failed.value)
    assert "p0" not in str(failed.value)


@pytest.mark.parametrize("step", ["Patient/", "Encounter/", "Observation"])
async def test_no_record_is_named_by_an_error(
    search: Searching, server: FakeBulk, step: str
) -> None:
    server.faults.always[step] = Canned(500, outcome("exception"))
    with pytest.raises(BatchError) as failed:
        await search.arrive(ids=("Patient/p0", "Encounter/now-1"))
    assert not any(each in str(failed.value) for each in ("p0", "p1", "now-1"))
