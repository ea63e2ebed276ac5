"""The files of an export: where tokens go, what breaks, what lacks, and what the disk does."""

import errno
import gzip
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.export import arrive_by_export
from cds_service.batch.sources.bulk.said import deletions, types_lacking
from cds_service.settings import MEBIBYTE
from tests.batch.bulk_server.faults import Canned, outcome
from tests.batch.bulk_server.serving import fake_bulk
from tests.batch.bulk_server.state import TYPES, FakeBulk
from tests.batch.exporting import Exporting, Time
from tests.batch.test_bulk_happy import everything, resources

pytestmark = pytest.mark.sampled(15)


@pytest.mark.parametrize("false", [False, "false"])
async def test_no_token_where_files_require_none(
    export: Exporting, server: FakeBulk, false: object
) -> None:
    server.faults.requires_token = False
    server.faults.manifest = lambda stated: stated | {"requiresAccessToken": false}
    arrived = await export.arrive()
    assert resources(arrived.files) == everything(server)
    assert {each.token for each in server.at("file")} == {None}
    assert None not in {each.token for each in server.at("status")}


@pytest.mark.parametrize("says", [True, False, None], ids=["required", "not required", "unsaid"])
async def test_files_at_another_origin_get_the_token_only_if_the_manifest_requires_it(
    export: Exporting, server: FakeBulk, time: Time, says: bool | None
) -> None:
    with fake_bulk(clock=time, closed=False) as elsewhere:
        server.faults.file_origin, server.faults.requires_token = elsewhere.origin, says
        arrived = await export.arrive()
        assert resources(arrived.files) == everything(server)
        tokens = {each.token for each in elsewhere.seen}
    assert tokens == (set(server.tokens) if says else {None})


async def test_an_own_origin_gets_the_token_where_the_manifest_does_not_say(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.requires_token = None
    assert resources((await export.arrive()).files) == everything(server)


async def test_a_redirect_elsewhere_is_followed_without_the_token(
    export: Exporting, server: FakeBulk, time: Time
) -> None:
    with fake_bulk(clock=time, closed=False) as elsewhere:
        server.faults.manifest = lambda stated: (
            stated
            | {
                "output": [
                    each
                    | {"url": f"/moved/x?to={each['url'].replace(server.origin, elsewhere.origin)}"}
                    for each in stated["output"]
                ]
            }
        )
        arrived = await export.arrive()
        assert {each.token for each in elsewhere.seen} == {None}
    assert resources(arrived.files) == everything(server)


async def test_a_redirect_at_home_keeps_the_token(export: Exporting, server: FakeBulk) -> None:
    server.faults.manifest = lambda stated: (
        stated
        | {"output": [each | {"url": f"/moved/x?to={each['url']}"} for each in stated["output"]]}
    )
    assert resources((await export.arrive()).files) == everything(server)


async def test_a_redirect_to_what_is_not_encrypted(export: Exporting, server: FakeBulk) -> None:
    there = {"location": "http://elsewhere.example/x"}
    server.faults.always["file"] = Canned(302, "", there)
    with pytest.raises(BatchError, match="redirect: is no address that may be called"):
        await export.arrive()


async def test_redirects_without_end(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["status"] = Canned(303, "", {"location": "/jobs/job-1"})
    with pytest.raises(BatchError, match="redirects without end"):
        await export.arrive()


async def test_an_address_in_an_error_has_no_query(export: Exporting, server: FakeBulk) -> None:
    server.faults.manifest = lambda stated: (
        stated
        | {"output": [each | {"url": f"{each['url']}?sig=secret"} for each in stated["output"]]}
    )
    server.faults.always["file"] = Canned(418)
    with pytest.raises(BatchError, match=r"/files/job-1/\S+: cannot be received") as failed:
        await export.arrive()
    assert "secret" not in str(failed.value)


async def test_a_file_that_breaks_off_is_fetched_again(export: Exporting, server: FakeBulk) -> None:
    server.faults.break_off = 5
    assert resources((await export.arrive()).files) == everything(server)
    assert len(server.at("file")) == 9
    assert not list(export.folder.glob(".*"))


async def test_a_page_in_place_of_a_file(export: Exporting, server: FakeBulk) -> None:
    server.faults.instead["file"] = [Canned(200, "<html>", {"content-type": "text/html"})]
    assert resources((await export.arrive()).files) == everything(server)


async def test_a_refusal_without_end_is_not_read_to_its_end(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.always["file"] = Canned(418, "x" * MEBIBYTE)
    with pytest.raises(BatchError, match="cannot be received: status 418"):
        await export.arrive()


async def test_a_file_that_always_breaks_off(export: Exporting, server: FakeBulk) -> None:
    server.faults.break_off = 1000
    with pytest.raises(
        BatchError, match=r"cannot be received \(no answer \(RemoteProtocolError\)\)"
    ):
        await export.arrive()
    assert not list(export.folder.glob("output-*"))
    assert not list(export.folder.glob(".*"))


@pytest.mark.parametrize(
    "canned",
    [Canned(500, outcome("exception")), Canned(503), Canned(429, "", {"retry-after": "9"})],
)
async def test_a_file_that_fails_in_passing(
    export: Exporting, server: FakeBulk, canned: Canned
) -> None:
    server.faults.instead["file"] = [canned] * 5
    assert resources((await export.arrive()).files) == everything(server)
    assert (9 in export.time.pauses) == (canned.status == 429)


async def test_a_body_that_is_not_the_gzip_that_it_says(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.instead["file"] = [Canned(200, "x", {"content-encoding": "gzip"})]
    assert resources((await export.arrive()).files) == everything(server)


async def test_files_that_are_gone_are_exported_anew(export: Exporting, server: FakeBulk) -> None:
    server.faults.instead["file"] = [Canned(403, "<Error>AccessDenied</Error>")]
    arrived = await export.arrive()
    assert resources(arrived.files) == everything(server)
    assert len(server.jobs) == 2
    assert {each.name.split("-")[1] for each in arrived.files} == {"02"}
    assert len(list(export.folder.glob("output-*"))) == 4


async def test_a_gzip_that_is_cut_is_fetched_again(export: Exporting, server: FakeBulk) -> None:
    content = gzip.compress(b'{"resourceType": "Patient"}\n' * 999)
    server.faults.instead["file"] = [Canned(200, content[: len(content) // 2])]
    server.faults.gzip_files = True
    arrived = await export.arrive()
    assert resources(arrived.files) == everything(server)


@pytest.mark.parametrize("gzip_files", [False, True])
async def test_a_file_with_fewer_lines_than_counted_is_fetched_again(
    export: Exporting, server: FakeBulk, gzip_files: bool
) -> None:
    server.faults.gzip_files = gzip_files
    server.faults.lines_lost = 1
    arrived = await export.arrive()
    assert resources(arrived.files) == everything(server)
    assert arrived.partial == frozenset()


@pytest.mark.parametrize("gzip_files", [False, True])
async def test_a_file_that_always_has_fewer_lines_makes_its_type_partial(
    export: Exporting, server: FakeBulk, gzip_files: bool
) -> None:
    server.faults.gzip_files = gzip_files
    server.faults.manifest = lambda stated: (
        stated
        | {
            "output": [
                each | {"count": 4 if each["type"] == "Encounter" else True}
                for each in stated["output"]
            ]
        }
    )
    arrived = await export.arrive()
    assert (arrived.partial, arrived.types) == ({"Encounter"}, set(TYPES))
    assert await export.arrive() == arrived


async def test_an_error_in_the_manifest_makes_its_type_partial(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.outcomes = (
        outcome("processing", expression=["Observation.value"]),
        outcome("exception", diagnostics="could not read Condition of some"),
        outcome("informational", severity="information", expression=["Patient"]),
    )
    arrived = await export.arrive()
    assert arrived.partial == {"Observation", "Condition"}
    assert arrived.types == set(TYPES)
    assert len(arrived.files) == 4


async def test_an_error_that_names_no_type_is_about_all(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.outcomes, server.faults.error_member = (outcome("exception"),), "outcome"
    arrived = await export.arrive(types=TYPES)
    assert (arrived.partial, arrived.types) == (set(TYPES), set(TYPES))


@pytest.mark.parametrize(
    ("line", "lacking"),
    [
        (b'{"issue": [{"severity": "warning", "code": "suppressed"}]}', {"A", "B"}),
        (b'{"issue": [{"severity": "warning", "code": "informational"}]}', set()),
        (b'{"issue": [{"severity": "error", "location": ["/f:A/f:code"]}]}', {"A"}),
        (b'{"issue": [{"severity": "fatal", "details": {"text": "B: too many"}}]}', {"B"}),
        (b'{"issue": [{"severity": "error", "expression": ["C"]}, 7]}', {"A", "B"}),
        (b"not JSON", {"A", "B"}),
        (b'{"issue": null}', {"A", "B"}),
        (b"[]", {"A", "B"}),
        (b"", set()),
    ],
)
def test_what_outcomes_say_of_types(tmp_path: Path, line: bytes, lacking: set[str]) -> None:
    path = tmp_path / "outcome.ndjson"
    path.write_bytes(line + b"\n\n")
    assert types_lacking([path], ("A", "B")) == lacking


@pytest.mark.parametrize(
    "line",
    [
        b"no JSON",
        b"[]",
        b'{"resourceType": "Patient"}',
        b'{"resourceType": "Bundle", "entry": [{}]}',
        b'{"resourceType": "Bundle", "entry": [{"request": {"method": "PUT", "url": "Patient/1"}}]}',
        b'{"resourceType": "Bundle", "entry": [{"request": {"method": "DELETE", "url": "Patient?a=1"}}]}',
    ],
)
def test_a_deletion_that_cannot_be_read_stops(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "deleted.ndjson"
    path.write_bytes(b'{"resourceType": "Bundle"}\n' + line)
    with pytest.raises(BatchError, match="line 2: is no Bundle of deletions"):
        list(deletions([path]))


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b broken", gzip.compress(b"{}" * 999)[:-9]], ids=["garbage", "cut"]
)
def test_a_file_that_is_not_whole_stops(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "deleted.ndjson.gz"
    path.write_bytes(content)
    with pytest.raises(BatchError, match="cannot be read to its end"):
        list(deletions([path]))


class Large(httpx.AsyncByteStream):
    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (MEBIBYTE - 1) + b"\n"


async def test_memory_does_not_grow_with_a_file(tmp_path: Path, time: Time) -> None:
    def answered(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("$export"):
            return httpx.Response(202, headers={"content-location": "/job"})
        if request.url.path == "/job":
            output = [{"type": "Patient", "url": "https://x.example/file"}]
            return httpx.Response(200, json={"transactionTime": "", "output": output})
        return httpx.Response(200, stream=Large())

    async with httpx.AsyncClient(transport=httpx.MockTransport(answered)) as http:
        tracemalloc.start()
        try:
            arrived = await arrive_by_export(
                "https://x.example/fhir", folder=tmp_path, http=http, clock=time, pause=time.pause
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert arrived.files[0].stat().st_size == 64 * MEBIBYTE
    assert peak < 8 * MEBIBYTE


async def test_a_full_disk(
    export: Exporting, server: FakeBulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await_full = iter([False, False, False])  # the state is written twice, then one file
    real = os.fsync

    def sync(number: int) -> None:
        if next(await_full, True):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(number)

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", sync)
        with pytest.raises(BatchError, match=r"no space left on device\. Make room") as failed:
            await export.arrive(at_once=1)
    assert str(failed.value).startswith(str(export.folder))
    assert not list(export.folder.glob(".output*"))
    assert len(list(export.folder.glob("output-*"))) == 1
    assert resources((await export.arrive()).files) == everything(server)
    assert len(server.jobs) == 1


async def test_a_folder_that_cannot_be_made(export: Exporting, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    export.folder = tmp_path / "file" / "below"
    with pytest.raises(BatchError, match="Make room or another folder"):
        await export.arrive()


async def test_a_folder_of_another_export(export: Exporting) -> None:
    await export.arrive()
    with pytest.raises(BatchError, match="holds another export"):
        await export.arrive(types=("Patient",))


async def test_a_folder_whose_state_was_changed(export: Exporting) -> None:
    await export.arrive()
    (export.folder / "export.json").write_text("{}")
    with pytest.raises(BatchError, match="is not what was written there"):
        await export.arrive()


async def test_a_folder_that_lost_a_file(export: Exporting) -> None:
    arrived = await export.arrive()
    arrived.files[0].unlink()
    with pytest.raises(BatchError, match="is here no more"):
        await export.arrive()


async def test_what_is_on_disk_has_no_token(export: Exporting, server: FakeBulk) -> None:
    await export.arrive()
    written = b"".join(each.read_bytes() for each in export.folder.iterdir())
    assert not any(token.encode() in written for token in server.tokens)
