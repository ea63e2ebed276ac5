"""What changed since an earlier run is asked for alone, and comes out as if all had been asked for again."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.backend import BackendTokens
from cds_service.batch.calling.sending import Sender
from cds_service.batch.errors import BatchError
from cds_service.batch.lines import lines_of
from cds_service.batch.sources.bulk.increment import arrive_since
from cds_service.batch.sources.bulk.roster import roster
from cds_service.fhir_server import outgoing_client
from tests.batch.bulk_server.faults import Canned
from tests.batch.bulk_server.state import FakeBulk, whose
from tests.batch.exporting import Exporting
from tests.batch.test_bulk_resume import KilledError

EARLY, LATE = "2026-11-19T00:00:00Z", "2026-11-20T12:00:00Z"
MOMENT = datetime(2026, 11, 20, 7, 0, 0, 123000, tzinfo=UTC)
GROUP = "/Group/ward-7/$export"
NOBODY: frozenset[str] = frozenset()


def held(arrived: Arrived) -> list[str]:
    """What arrived, resource by resource, in an order of its own."""
    raws = [line.raw for file in arrived.files for line in lines_of(file)]
    return sorted(json.dumps(json.loads(raw or b"null"), sort_keys=True) for raw in raws)


def everything(server: FakeBulk) -> list[str]:
    return sorted(
        json.dumps(each, sort_keys=True) for listed in server.records.values() for each in listed
    )


def change(server: FakeBulk, kind: str, name: str, **members: Any) -> None:
    """A new version of a resource, or a new one."""
    listed = server.records[kind]
    before = next((each for each in listed if each["id"] == name), None)
    if before:
        listed.remove(before)
    stamped = {"meta": {"lastUpdated": LATE}, "resourceType": kind, "id": name}
    listed.append((before or {}) | stamped | members)


def delete(server: FakeBulk, kind: str, name: str) -> None:
    server.records[kind] = [each for each in server.records[kind] if each["id"] != name]
    server.faults.deleted = (*server.faults.deleted, f"{kind}/{name}")


@pytest.fixture(autouse=True)
def dated(server: FakeBulk) -> None:
    """Everything there was before the first run."""
    for listed in server.records.values():
        for each in listed:
            each["meta"] = {"lastUpdated": EARLY}


async def since(
    export: Exporting,
    before: Arrived,
    level: str = "/$export",
    members: frozenset[str] | None = NOBODY,
) -> Arrived:
    folder = export.folder / "next"
    exporting = partial(_arrive, export, level)
    return await arrive_since(
        before, exporting, roster=members, folder=folder, progress=export.time
    )


async def _arrive(export: Exporting, level: str, *, folder: Path, **how: Any) -> Arrived:
    return await Exporting(export.server, folder, export.time, export.registered).arrive(
        level, **how
    )


async def test_nothing_new_is_nobody_to_assess(export: Exporting, server: FakeBulk) -> None:
    before = await whole(export)
    found = await since(export, before)
    assert server.at("kick-off")[1].query["_since"] == MOMENT.isoformat()
    assert found.patients == frozenset()
    assert held(found) == everything(server)
    assert (found.types, found.partial) == (before.types, before.partial)


async def test_new_and_changed_resources_take_their_place(
    export: Exporting, server: FakeBulk
) -> None:
    before = await whole(export)
    change(server, "Condition", "Condition-1", recordedDate="2026-11-20")
    change(server, "Observation", "new", subject={"reference": "Patient/p2"})
    found = await since(export, before)
    assert found.patients == {"p1", "p2"}
    assert held(found) == everything(server)


async def test_what_went_over_to_another_patient_is_taken_from_the_first(
    export: Exporting, server: FakeBulk
) -> None:
    before = await whole(export)
    change(server, "Observation", "Observation-0", subject={"reference": "Patient/p1"})
    found = await since(export, before)
    assert found.patients == {"p0", "p1"}
    assert held(found) == everything(server)


async def test_what_was_deleted_is_no_longer_there_and_whose_it_was_is_said(
    export: Exporting, server: FakeBulk
) -> None:
    before = await whole(export)
    delete(server, "Condition", "Condition-2")
    found = await since(export, before)
    assert found.patients == {"p2"}
    assert found.gone == {"p2": {"Condition/Condition-2"}}
    assert held(found) == everything(server)


async def test_a_resource_deleted_and_made_again_is_there(
    export: Exporting, server: FakeBulk
) -> None:
    before = await whole(export)
    server.faults.deleted = ("Condition/Condition-2",)
    change(server, "Condition", "Condition-2")
    found = await since(export, before)
    assert found.gone == {}
    assert held(found) == everything(server)


async def test_lines_without_an_id_replace_nothing_and_each_counts_for_its_patient(
    export: Exporting, server: FakeBulk
) -> None:
    nameless = [nameless_of(f"p{number}") for number in range(3)]
    server.records["Observation"] += [each | {"meta": {"lastUpdated": EARLY}} for each in nameless]
    before = await whole(export)
    server.records["Observation"] += [each | {"meta": {"lastUpdated": LATE}} for each in nameless]
    found = await since(export, before)
    assert found.patients == {"p0", "p1", "p2"}
    assert held(found) == everything(server)


def nameless_of(patient: str) -> dict[str, Any]:
    """Somebody's, and not to be decoded."""
    return {"resourceType": "Observation", "id": 7, "subject": {"reference": f"Patient/{patient}"}}


async def test_a_type_that_came_with_the_changes_alone_is_not_whole(
    export: Exporting, server: FakeBulk
) -> None:
    conditions = server.records.pop("Condition")
    before = await whole(export)
    server.records["Condition"] = conditions
    change(server, "Condition", "Condition-2")
    found = await since(export, before)
    assert found.types == {"Condition", "Encounter", "Observation", "Patient"}
    assert found.partial == {"Condition"}


async def test_a_type_whose_changes_may_no_longer_be_read_is_not_whole(
    export: Exporting, server: FakeBulk
) -> None:
    before = await whole(export)
    server.faults.token_response = {"scope": "system/Patient.rs system/Encounter.rs"}
    change(server, "Observation", "Observation-1", status="entered-in-error")
    found = await since(export, before)
    assert found.types == before.types
    assert found.partial == {"Condition", "Observation"}


async def test_an_increment_upon_an_increment(export: Exporting, server: FakeBulk) -> None:
    first = await whole(export)
    change(server, "Condition", "Condition-1")
    second = await since(export, first)
    server.transaction_time = "2026-11-21T08:00:00Z"
    delete(server, "Condition", "Condition-1")
    later = Exporting(server, export.folder / "later", export.time, export.registered)
    third = await since(later, second)
    assert (third.patients, held(third)) == ({"p1"}, everything(server))


async def test_names_of_files_do_not_grow_with_each_increment(
    export: Exporting, server: FakeBulk
) -> None:
    found, lengths = await whole(export), set()
    for number in range(3):
        later = Exporting(server, export.folder / str(number), export.time, export.registered)
        found = await since(later, found)
        lengths.add(max(len(each.name) for each in found.files))
    assert len(lengths) == 1


async def test_who_joined_the_group_comes_with_all_of_the_past(
    export: Exporting, server: FakeBulk
) -> None:
    server.group = {"p0", "p1"}
    before = await with_roster(export)
    server.group = {"p0", "p1", "p2"}
    found = await since(export, before, GROUP, await members(export, "now"))
    assert [each.method for each in server.at("kick-off")] == ["GET", "GET", "POST"]
    assert held(found) == everything(server)
    assert (found.patients, found.roster) == ({"p2"}, {"p0", "p1", "p2"})


async def test_who_left_the_group_is_not_taken_over_and_comes_back_with_what_is_there(
    export: Exporting, server: FakeBulk
) -> None:
    server.group = {"p0", "p1"}
    before = await with_roster(export)
    server.group = {"p0"}
    without = await since(export, before, GROUP, await members(export, "without"))
    assert (without.patients, whose_lines(without)) == (frozenset(), {"p0"})
    server.records["Condition"] = [e for e in server.records["Condition"] if whose(e) != "p1"]
    server.group = {"p0", "p1"}
    later = Exporting(server, export.folder / "later", export.time, export.registered)
    again = await since(later, without, GROUP, await members(export, "again"))
    assert (again.patients, whose_lines(again)) == ({"p1"}, {"p0", "p1"})
    assert '"Condition-1"' not in "".join(held(again))


async def test_who_joined_after_the_roster_was_read_waits_for_the_next_run(
    export: Exporting, server: FakeBulk
) -> None:
    server.group = {"p0", "p1"}
    before = await with_roster(export)
    read = await members(export, "now")
    server.group = {"p0", "p1", "p2"}
    change(server, "Condition", "Condition-1")
    change(server, "Condition", "Condition-2")
    assert (await since(export, before, GROUP, read)).patients == {"p1"}


def whose_lines(arrived: Arrived) -> set[str]:
    return {whose(json.loads(each)) for each in held(arrived)}


async def test_a_server_that_cannot_be_asked_for_some_is_asked_for_all(
    export: Exporting, server: FakeBulk
) -> None:
    server.group, server.faults.no_patient_parameter = {"p0"}, True
    before = await with_roster(export)
    server.group = {"p0", "p1", "p2"}
    found = await since(export, before, GROUP, await members(export, "now"))
    assert "_since" not in server.at("kick-off")[-1].query
    assert held(found) == everything(server)
    assert found.patients == {"p0", "p1", "p2"}


@pytest.mark.slow
async def test_killed_at_each_rename_it_ends_with_the_same(
    export: Exporting, server: FakeBulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.group = {"p0", "p1"}
    before = await with_roster(export)
    change(server, "Condition", "Condition-1", recordedDate="2026-11-20")
    delete(server, "Observation", "Observation-0")
    server.group = {"p0", "p1", "p2"}
    real, left, kills, finished = Path.replace, [0], 0, False

    def dying_replace(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KilledError
        return real(path, target)

    while not finished:
        export.folder, left[0] = export.folder.with_name(f"at-{kills}"), kills
        with monkeypatch.context() as dying:
            dying.setattr(Path, "replace", dying_replace)
            try:
                await since(export, before, GROUP, await members(export, "next"))
                finished = True
            except KilledError:
                kills += 1
        found = await since(export, before, GROUP, await members(export, "next"))
        assert held(found) == everything(server)
        assert found.patients == {"p0", "p1", "p2"}
        assert found.gone == {"p0": {"Observation/Observation-0"}}
    assert kills > 10


async def members(export: Exporting, name: str = "first") -> frozenset[str] | None:
    assert export.registered
    async with outgoing_client() as http:
        tokens = BackendTokens(
            http,
            export.server.base,
            export.registered,
            reads=("Group",),
            clock=export.time,
            pause=export.time.pause,
        )
        address = f"{export.server.base}{GROUP}"
        return await roster(address, Sender(http, tokens), export.folder / name)


async def whole(export: Exporting) -> Arrived:
    return replace(await export.arrive(), roster=NOBODY)


async def with_roster(export: Exporting) -> Arrived:
    return replace(await export.arrive(GROUP), roster=await members(export))


async def test_the_roster_is_read_once(export: Exporting, server: FakeBulk) -> None:
    server.group = {"p0", "p1"}
    assert await members(export) == {"p0", "p1"}
    server.group = {"p2"}
    assert await members(export) == {"p0", "p1"}
    assert len(server.at("group")) == 1


@pytest.mark.parametrize(
    "canned",
    [
        Canned(403),
        Canned(200, "<html>"),
        Canned(200, {"resourceType": "Patient"}),
        Canned(500),
        Canned(200, {"resourceType": "Group", "actual": False}),
        Canned(
            200, {"resourceType": "Group", "member": [{"entity": {"reference": "Group/ward-8"}}]}
        ),
    ],
    ids=["forbidden", "html", "no group", "broken", "described", "of groups"],
)
async def test_a_group_that_cannot_be_read_has_no_roster(
    export: Exporting, server: FakeBulk, canned: Canned
) -> None:
    server.faults.always["group"] = canned
    assert await members(export) is None
    with pytest.raises(BatchError, match="who joined it is not known"):
        await since(export, Arrived(()), GROUP, None)


async def test_an_export_of_no_group_has_nobody_on_its_roster(export: Exporting) -> None:
    async with outgoing_client() as http:
        address = f"{export.server.base}/Patient/$export"
        assert await roster(address, Sender(http, None), export.folder) == frozenset()
