"""Everything that goes wrong at a bulk server while an export is asked for and waited for."""

from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest

from cds_service.batch.calling.waiting import wait_s
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.asking import export_address
from tests.batch.bulk_server.faults import Canned, outcome
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import NOW, Exporting

pytestmark = pytest.mark.sampled(15)

TRANSIENT = Canned(503, outcome("transient"))
SECRET = "name of a patient"


async def waited(export: Exporting, server: FakeBulk, headers: dict[str, str]) -> float:
    server.faults.waiting = headers
    await export.arrive()
    return export.time.pauses[0]


async def test_retry_after_in_seconds(export: Exporting, server: FakeBulk) -> None:
    assert await waited(export, server, {"retry-after": "17"}) == 17


async def test_retry_after_as_a_date_by_the_clock_of_the_server(
    export: Exporting, server: FakeBulk
) -> None:
    its_now = NOW + timedelta(hours=3)
    date, after = format_datetime(its_now, usegmt=True), its_now + timedelta(seconds=40)
    told = {"date": date, "retry-after": format_datetime(after, usegmt=True)}
    assert await waited(export, server, told) == 40


@pytest.mark.parametrize(
    ("stated", "seconds"),
    [
        ("999999999", 3600),
        ("1e400", 3600),
        ("-5", 1),
        ("0", 1),
        ("nan", 8),
        ("soon", 8),
        ("", 8),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 3600),
        ("Fri, 31 Dec 99999999999 23:59:59 GMT", 8),
        ("Sat, 01 Jan 2000 00:00:00 GMT", 1),
    ],
)
def test_absurd_times_to_wait(stated: str, seconds: float) -> None:
    assert wait_s(httpx.Headers({"retry-after": stated}), 3, NOW) == seconds


def test_without_being_told_it_waits_longer_each_time_up_to_a_minute() -> None:
    waits = [wait_s(httpx.Headers(), attempt, NOW) for attempt in (0, 1, 2, 5, 6, 10_000)]
    assert waits == [1, 2, 4, 32, 60, 60]


async def test_progress_is_shown_without_what_could_move_a_terminal(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.instead["status"] = [
        Canned(202, "", {"x-progress": "40% \x1b[2J" + "long" * 100})
    ]
    await export.arrive()
    (shown,) = {each for each in export.time.said if "40%" in each}
    assert "\x1b" not in shown
    assert len(shown) < 160


async def test_a_server_that_is_busy_is_waited_for(export: Exporting, server: FakeBulk) -> None:
    server.faults.instead["status"] = [Canned(429, "", {"retry-after": "7"})] * 30
    assert len((await export.arrive()).files) == 4
    assert export.time.pauses[:30] == [7] * 30


@pytest.mark.parametrize(
    "passing",
    [
        TRANSIENT,
        Canned(500, outcome("timeout")),
        Canned(502, "<html>"),
        Canned(200, "<html>"),
        Canned(200, ["nothing"]),
        Canned(200, {"resourceType": "Bundle"}),
    ],
    ids=["transient", "timeout", "a proxy's page", "no JSON", "no object", "no manifest"],
)
async def test_a_poll_that_fails_is_no_job_that_failed(
    export: Exporting, server: FakeBulk, passing: Canned
) -> None:
    server.faults.instead["status"] = [passing] * 9
    assert len((await export.arrive()).files) == 4
    assert len(server.jobs) == 1


async def test_polls_that_fail_without_end_are_given_up_and_the_job_is_kept(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.always["status"] = TRANSIENT
    with pytest.raises(BatchError, match=r"failed 10 times in a row, .*503 \(transient\)"):
        await export.arrive()
    server.faults.always.clear()
    assert len((await export.arrive()).files) == 4
    assert len(server.jobs) == 1


async def test_a_job_that_failed_says_so_and_the_next_call_starts_another(
    export: Exporting, server: FakeBulk
) -> None:
    said = outcome("exception", diagnostics=SECRET)
    server.faults.always["status"] = Canned(500, said)
    with pytest.raises(BatchError, match=r"the export failed: status 500 \(exception\)") as failed:
        await export.arrive()
    assert SECRET not in str(failed.value)
    server.faults.always.clear()
    assert len((await export.arrive()).files) == 4
    assert len(server.jobs) == 2


async def test_a_status_that_is_closed_to_the_app(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["status"] = Canned(403, outcome("forbidden"))
    with pytest.raises(BatchError, match=r"is closed: status 403 \(forbidden\)"):
        await export.arrive()


async def test_a_job_that_the_server_forgot_is_asked_for_anew(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.instead["status"] = [Canned(202), Canned(410)]
    assert len((await export.arrive()).files) == 4
    assert len(server.jobs) == 2


@pytest.mark.parametrize("what", ["jobs", "files"])
async def test_a_server_that_forgets_each_time(
    export: Exporting, server: FakeBulk, what: str
) -> None:
    server.faults.forgets = what
    with pytest.raises(BatchError, match="forgot 3 exports"):
        await export.arrive()
    assert len(server.jobs) == 3
    assert not list(export.folder.glob("output-*"))


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_kick_off_that_fails_in_passing(
    export: Exporting, server: FakeBulk, status: int
) -> None:
    server.faults.instead["kick-off"] = [Canned(status, "", {"retry-after": "30"})] * 2
    assert len((await export.arrive()).files) == 4
    assert export.time.pauses[:2] == [30, 30]


class Away(httpx.AsyncBaseTransport):
    def __init__(self, why: Exception) -> None:
        self._why = why

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._why


@pytest.mark.parametrize(
    ("why", "words"),
    [
        (httpx.ConnectError("All connection attempts failed"), "ConnectError"),
        (httpx.ReadTimeout("PHI"), "ReadTimeout"),
        (
            httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"),
            "its certificate is not trusted",
        ),
    ],
)
async def test_a_server_that_never_answers_is_given_up_within_seconds(
    export: Exporting, why: Exception, words: str
) -> None:
    export.transport, export.registered = Away(why), None
    with pytest.raises(BatchError, match=rf"failed 4 times in a row, .*no answer \({words}\)"):
        await export.arrive()
    assert sum(export.time.pauses) < 10


async def test_a_kick_off_that_fails_without_end(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["kick-off"] = Canned(503)
    with pytest.raises(BatchError, match="failed 10 times in a row"):
        await export.arrive()


@pytest.mark.parametrize(
    ("canned", "words"),
    [
        (Canned(404, outcome("not-found")), "Check the address: it has to be a FHIR server with"),
        (Canned(403, outcome("forbidden")), "allows exports and the types asked for"),
        (Canned(400, outcome("invalid", diagnostics=SECRET)), r"status 400 \(invalid\)"),
        (Canned(200, {"resourceType": "Bundle"}), "did not start an export"),
        (Canned(405), "does not export: status 405"),
        (Canned(422, "<html>"), "does not export: status 422"),
    ],
)
async def test_a_kick_off_that_is_refused(
    export: Exporting, server: FakeBulk, canned: Canned, words: str
) -> None:
    server.faults.always["kick-off"] = canned
    with pytest.raises(BatchError, match=words) as refused:
        await export.arrive()
    assert SECRET not in str(refused.value)


async def test_an_open_export_at_a_closed_server(export: Exporting) -> None:
    export.registered = None
    with pytest.raises(BatchError, match=r"status 401.* give the tenant a \[tenant.backend\]"):
        await export.arrive()


async def test_a_server_that_does_not_know_all_types_is_asked_to_leave_them_out(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.strict_about = ("MedicationStatement",)
    assert len((await export.arrive()).files) == 4
    preferred = [each.headers["prefer"] for each in server.at("kick-off")]
    assert preferred == ["respond-async", "respond-async, handling=lenient"]


async def test_a_kick_off_without_content_location(export: Exporting, server: FakeBulk) -> None:
    server.faults.without_content_location = True
    with pytest.raises(BatchError, match="Content-Location: is no address"):
        await export.arrive()


async def test_a_relative_content_location(export: Exporting, server: FakeBulk) -> None:
    server.faults.relative_content_location = True
    assert len((await export.arrive()).files) == 4


async def test_a_delete_that_fails_is_no_matter(export: Exporting, server: FakeBulk) -> None:
    server.faults.always["delete"] = Canned(500)
    assert len((await export.arrive()).files) == 4
    assert len(server.at("delete")) == 1


async def test_a_server_that_goes_away_while_it_is_asked_to_forget(
    export: Exporting, server: FakeBulk
) -> None:
    server.faults.always["delete"] = Canned(401)
    assert len((await export.arrive()).files) == 4


@pytest.mark.parametrize(
    "malformed", ["2026-11-20", "2026-11-20T08:00:00", "yesterday", "", None, 20261120]
)
async def test_a_malformed_time_makes_the_next_export_a_whole_one(
    export: Exporting, server: FakeBulk, malformed: object
) -> None:
    server.faults.manifest = lambda stated: stated | {"transactionTime": malformed}
    arrived = await export.arrive()
    assert (arrived.transaction_time, len(arrived.files)) == (None, 4)


async def test_pages_that_never_end(export: Exporting, server: FakeBulk) -> None:
    server.faults.manifest = lambda stated: (
        stated
        | {"link": [{"relation": "self", "url": "/"}, {"relation": "next", "url": "?page=0"}]}
    )
    with pytest.raises(BatchError, match="next page without end"):
        await export.arrive()


@pytest.mark.parametrize(
    "stated",
    [
        {"output": "none"},
        {"output": [7]},
        {"output": [{"type": "Patient"}]},
        {"output": [{"type": "Patient", "url": "http://elsewhere.example/Patient"}]},
        {"output": [{"type": "Patient", "url": "https://x.example:port/"}]},
        {"link": [{"relation": "next", "url": "http://elsewhere.example/2"}]},
    ],
)
async def test_a_manifest_that_cannot_be_used(
    export: Exporting, server: FakeBulk, stated: dict
) -> None:
    server.faults.manifest = lambda proper: proper | stated
    with pytest.raises(BatchError, match=r"is not a list of objects|is no address that may"):
        await export.arrive()


@pytest.mark.parametrize(
    ("address", "base", "url"),
    [
        ("https://x.example/fhir", "https://x.example/fhir", "https://x.example/fhir/$export"),
        ("https://x.example/fhir/", "https://x.example/fhir", "https://x.example/fhir/$export"),
        ("https://x.example/$export", "https://x.example", "https://x.example/$export"),
        (
            "https://x.example/fhir/Patient/$export",
            "https://x.example/fhir",
            "https://x.example/fhir/Patient/$export",
        ),
        (
            "https://x.example/fhir/Group/a-1/$export?_type=Patient",
            "https://x.example/fhir",
            "https://x.example/fhir/Group/a-1/$export?_type=Patient",
        ),
    ],
)
def test_addresses(address: str, base: str, url: str) -> None:
    assert export_address(address) == (base, url)


@pytest.mark.parametrize("address", ["http://x.example/fhir", "x", "https://u:p@x.example", ""])
def test_an_address_that_may_not_be_called(address: str) -> None:
    with pytest.raises(BatchError, match="is no address that may be called"):
        export_address(address)
