"""An export that goes well, of every kind of server."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from tests.batch.bulk_server.state import TYPES, FakeBulk
from tests.batch.exporting import Exporting


def resources(files) -> list[tuple[str, str]]:
    read = []
    for path in files:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        read += [json.loads(line) for line in content.splitlines()]
    return sorted((each["resourceType"], each["id"]) for each in read)


def everything(server: FakeBulk) -> list[tuple[str, str]]:
    return sorted((kind, each["id"]) for kind, listed in server.records.items() for each in listed)


async def test_everything_arrives_and_the_job_is_given_back(
    export: Exporting, server: FakeBulk
) -> None:
    arrived = await export.arrive()
    assert resources(arrived.files) == everything(server)
    assert (arrived.types, arrived.partial, arrived.deleted) == (frozenset(TYPES), frozenset(), ())
    assert arrived.transaction_time == datetime(2026, 11, 20, 7, 0, 0, 123000, tzinfo=UTC)
    assert server.jobs["job-1"].deleted
    assert [each.headers["prefer"] for each in server.at("kick-off")] == ["respond-async"]
    assert all(each.headers["accept-encoding"] == "gzip" for each in server.at("file"))


async def test_a_type_that_is_not_in_the_export_is_not_among_the_types(
    export: Exporting, server: FakeBulk
) -> None:
    del server.records["Condition"]
    arrived = await export.arrive()
    assert arrived.types == frozenset(TYPES) - {"Condition"}


@pytest.mark.parametrize("level", ["", "/$export", "/Patient/$export", "/Group/ward-7/$export"])
async def test_each_level(export: Exporting, server: FakeBulk, level: str) -> None:
    await export.arrive(level)
    assert server.at("kick-off")[0].path == f"/fhir{level or '/$export'}"


async def test_types_and_the_moment_of_an_earlier_export_are_asked_for(
    export: Exporting, server: FakeBulk
) -> None:
    earlier = datetime(2026, 11, 1, tzinfo=UTC)
    arrived = await export.arrive(types=("Patient", "Encounter"), since=earlier)
    query = server.at("kick-off")[0].query
    assert query == {"_type": "Encounter,Patient", "_since": "2026-11-01T00:00:00+00:00"}
    assert (arrived.types, arrived.partial) == ({"Patient", "Encounter"}, frozenset())


async def test_what_the_user_wrote_into_the_address_stays(
    export: Exporting, server: FakeBulk
) -> None:
    await export.arrive("/$export?_type=Patient&_typeFilter=Patient%3Factive%3Dtrue")
    query = server.at("kick-off")[0].query
    assert query == {"_type": "Patient", "_typeFilter": "Patient?active=true"}


async def test_version_4_is_asked_by_post_with_a_parameter_for_each_value(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.post_only, server.faults.error_member = True, "outcome"
    server.faults.manifest = lambda stated: (
        {name: value for name, value in stated.items() if name != "request"}
        | {"manifestType": "BulkDataManifest", "extension": [{"url": "https://x.example/e"}]}
    )
    since = datetime(2026, 11, 1, tzinfo=UTC)
    arrived = await export.arrive(since=since, types=("Patient", "Encounter"))
    assert [each.method for each in server.at("kick-off")] == ["GET", "POST"]
    assert server.at("kick-off")[1].body["parameter"] == [
        {"name": "_type", "valueString": "Encounter"},
        {"name": "_type", "valueString": "Patient"},
        {"name": "_since", "valueInstant": "2026-11-01T00:00:00+00:00"},
    ]
    assert len(arrived.files) == 2


async def test_an_extension_that_is_an_object_is_no_matter(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.manifest = lambda stated: stated | {"extension": {"https://x.example/e": 1}}
    assert resources((await export.arrive()).files) == everything(server)


async def test_several_files_of_a_type_and_several_pages(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.files_per_type, server.faults.pages = 3, 4
    arrived = await export.arrive(at_once=2)
    assert resources(arrived.files) == everything(server)
    assert len(arrived.files) == 12


async def test_files_organised_by_patient_have_the_types_that_occur(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.manifest = lambda stated: (
        stated | {"output": [{"url": each["url"]} for each in stated["output"]]}
    )
    arrived = await export.arrive()
    assert (resources(arrived.files), arrived.types) == (everything(server), None)


async def test_types_that_nobody_asked_for_are_left_there(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.manifest = lambda stated: (
        stated
        | {
            "output": [
                {"type": "Claim", "url": f"{server.origin}/files/x/Claim-0"},
                *stated["output"],
            ]
        }
    )
    assert resources((await export.arrive()).files) == everything(server)


@pytest.mark.parametrize("how", ["gzip_encoding", "gzip_files"])
async def test_gzip(export: Exporting, server: FakeBulk, how: str) -> None:
    setattr(server.faults, how, True)
    arrived = await export.arrive()
    assert resources(arrived.files) == everything(server)
    endings = {each.name.partition(".")[2] for each in arrived.files}
    assert endings == {"ndjson" if how == "gzip_encoding" else "ndjson.gz"}


async def test_an_export_without_patients_is_a_result(export: Exporting, server: FakeBulk) -> None:
    server.records = {}
    arrived = await export.arrive()
    assert (arrived.files, arrived.types, arrived.partial) == ((), frozenset(), frozenset())
    assert arrived.transaction_time is not None


async def test_an_open_server_is_sent_no_token(export: Exporting, server: FakeBulk) -> None:
    export.registered, server.closed = None, False
    assert resources((await export.arrive()).files) == everything(server)
    assert {each.token for each in server.seen} == {None}


async def test_what_is_gone_is_told(export: Exporting, server: FakeBulk) -> None:
    server.faults.deleted = ("Patient/p9", f"{server.base}/Observation/o-1/_history/3")
    arrived = await export.arrive()
    assert arrived.deleted == (("Patient", "p9"), ("Observation", "o-1"))
    assert resources(arrived.files) == everything(server)


async def test_an_export_that_is_here_asks_the_server_nothing(
    export: Exporting, server: FakeBulk
) -> None:
    first = await export.arrive()
    server.seen.clear()
    assert await export.arrive() == first
    assert server.seen == []
