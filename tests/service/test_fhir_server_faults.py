"""What a FHIR server can do to us: for each fault the stated answer, and never a 5xx."""

import asyncio
import gzip
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds_service.addresses import listed
from cds_service.fhir_server import MOST_PAGES
from cds_service.hooks.call import read_call
from tests.service.fhir_loopback import (
    FhirFake,
    Loopback,
    Reply,
    asking,
    cut_off,
    drip,
    hang,
    loopback,
    reading,
    reply,
)
from tests.service.patients import (
    FAILED,
    NOW,
    URL,
    Json,
    authorization,
    call,
    card_of,
    condition,
    encounter,
    facts,
    patient,
    searchset,
    stay,
    subject,
)

pytestmark = pytest.mark.sampled(6)

TOKEN = "the-token"  # what is sent, never a secret
SHORT = 2.0
"""A budget in seconds for the faults that last for ever."""
HTML = b"<html><body><h1>HTTP Status 200 - zwitscher</h1></body></html>"
WHOLE = searchset(condition("I50.9"))
EARLIER = encounter("stay-0", "2026-06-01T08:00:00Z", "2026-06-04T12:00:00Z")


@pytest.fixture(scope="module")
def port() -> Iterator[Loopback]:
    with loopback() as served:
        yield served


@pytest.fixture
def fake(port: Loopback) -> FhirFake:
    return port.serve()


def source(card: Json, kind: str = "Condition") -> str:
    state: str = facts(card)["sources"][kind]
    return state


def noticed(card: Json, code: str) -> bool:
    return f"{code.replace('_', ' ')} (" in card["detail"]


def next_link(url: str) -> Json:
    return {"link": [{"relation": "next", "url": url}]}


# fault -> its answer, the issue that says so, and how often it is asked before that is given up
Fault = tuple[Reply, str, int]
ONCE, RETRIED = 1, 3
FAULTS: dict[str, Fault] = {
    "401": (reply(401, FAILED), "server_denied", ONCE),
    "403": (reply(403, FAILED), "server_denied", ONCE),
    "404": (reply(404, FAILED), "server_refused", ONCE),
    "400 for a parameter it does not know": (reply(400, FAILED), "server_refused", ONCE),
    "an OperationOutcome with 200": (reply(200, FAILED), "server_refused", ONCE),
    "202": (reply(202, b""), "server_refused", ONCE),
    "a redirect to itself": (reply(302, b"", location="Condition"), "server_refused", ONCE),
    "a redirect elsewhere": (
        reply(307, b"", location="http://127.0.0.1:9/fhir/Condition"),
        "server_refused",
        ONCE,
    ),
    "500": (reply(500, FAILED), "server_unavailable", ONCE),
    "503 without end": (reply(503, FAILED), "server_unavailable", RETRIED),
    "429 without end": (reply(429, FAILED), "server_unavailable", RETRIED),
    "429 until tomorrow": (reply(429, FAILED, retry_after="86400"), "server_unavailable", ONCE),
    "429 with words for a time": (
        reply(429, FAILED, retry_after="zwitscher"),
        "server_unavailable",
        RETRIED,
    ),
    "503 until a year that no clock has": (
        reply(503, FAILED, retry_after=f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"),
        "server_unavailable",
        RETRIED,
    ),
    "the connection lost in the middle": (cut_off, "server_unavailable", ONCE),
    "nothing": (reply(200, b""), "server_answer_unusable", ONCE),
    "HTML": (reply(200, HTML, kind="text/html"), "server_answer_unusable", ONCE),
    "truncated JSON": (
        reply(200, b'{"resourceType":"Bundle","entry":['),
        "server_answer_unusable",
        ONCE,
    ),
    "a Bundle with entry an object": (
        reply(200, {"resourceType": "Bundle", "entry": {}}),
        "server_answer_unusable",
        ONCE,
    ),
    "a list": (reply(200, [WHOLE]), "server_answer_unusable", ONCE),
    "another resource": (reply(200, {"resourceType": "Basic"}), "server_answer_unusable", ONCE),
    "gzip that is none": (
        reply(200, b"zwitscher", content_encoding="gzip"),
        "server_answer_unusable",
        ONCE,
    ),
}


SOME = [
    pytest.param(case, marks=[pytest.mark.slow] if number % 5 else [])
    for number, case in enumerate(FAULTS)
]


@pytest.mark.parametrize("case", SOME)
async def test_an_optional_key_is_not_read_and_the_card_says_why(
    case: str, fake: FhirFake, tmp_path: Path
) -> None:
    fault, code, times = FAULTS[case]
    fake.faults["conditions"] = [fault]
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert (source(card), noticed(card, code)) == ("not_read", True)
    assert set(facts(card)["sources"].values()) == {"read", "not_read"}
    assert len(fake.of("conditions")) == times
    assert "zwitscher" not in str(card)


@pytest.mark.slow
@pytest.mark.parametrize("key", ["patient", "encounter"])
@pytest.mark.parametrize("case", FAULTS)
async def test_a_required_key_is_412_with_its_name_and_nothing_else_is_asked(
    case: str, key: str, fake: FhirFake, tmp_path: Path
) -> None:
    fault, code, times = FAULTS[case]
    fake.faults |= {key: [fault], "encounters": [reply(404, FAILED)]}
    async with reading(tmp_path, fake.base) as http:
        answer = await http.post(URL, json=asking(fake, token=TOKEN))
    said = answer.json()["issue"][0]["diagnostics"]
    assert (answer.status_code, said.partition(":")[0]) == (412, f"prefetch.{key}")
    assert f"({code})" in said
    assert "zwitscher" not in answer.text
    assert {each.key for each in fake.asked} == {"patient", "encounter", "encounters"}
    assert len(fake.of(key)) == times


@pytest.mark.slow
@pytest.mark.parametrize("fault", [hang, drip], ids=["silence", "a byte at a time"])
async def test_when_the_budget_is_spent_what_has_come_counts(
    fault: Reply, fake: FhirFake, tmp_path: Path
) -> None:
    fake.faults["conditions"] = [fault]
    async with reading(tmp_path, fake.base, fhir_budget_s=SHORT) as http:
        started = time.monotonic()
        card = await card_of(http, asking(fake, token=TOKEN))
    assert time.monotonic() - started < SHORT + 1
    assert source(card) == "not_read"
    assert noticed(card, "server_too_slow")
    assert source(card, "Observation") == source(card, "Encounter") == "read"


@pytest.mark.slow
async def test_a_page_that_came_before_the_budget_was_spent_counts_as_part(
    fake: FhirFake, tmp_path: Path
) -> None:
    more = next_link(f"{fake.base}/Condition?key=second")
    fake.record["conditions"] = searchset(condition("I50.9"), **more)
    fake.faults["second"] = [drip]
    async with reading(tmp_path, fake.base, fhir_budget_s=SHORT) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert source(card) == "partial"
    assert noticed(card, "server_too_slow")


@pytest.mark.slow
async def test_a_patient_who_never_comes_is_412_within_the_budget(
    fake: FhirFake, tmp_path: Path
) -> None:
    fake.faults["patient"] = [hang]
    async with reading(tmp_path, fake.base, fhir_budget_s=SHORT) as http:
        started = time.monotonic()
        answer = await http.post(URL, json=asking(fake, token=TOKEN))
    assert time.monotonic() - started < SHORT + 1
    assert answer.status_code == 412
    assert "prefetch.patient" in answer.text
    assert "(server_too_slow)" in answer.text


async def test_a_server_that_is_not_there_is_412(port: Loopback, tmp_path: Path) -> None:
    gone = FhirFake("http://127.0.0.1:1/fhir", {})
    async with reading(tmp_path, gone.base) as http:
        answer = await http.post(URL, json=asking(gone, token=TOKEN))
    assert answer.status_code == 412
    assert "(server_unavailable)" in answer.text


# retries
def in_a_while() -> str:
    """As an HTTP date: far enough that it is not over when it is read, on a busy machine too."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=4), usegmt=True)  # noqa: TID251 - the server's own clock


@pytest.mark.slow
@pytest.mark.parametrize("asked", [lambda: "1", in_a_while], ids=["seconds", "HTTP date"])
async def test_a_busy_server_is_asked_again_when_it_says(
    asked: Callable[[], str], fake: FhirFake, tmp_path: Path
) -> None:
    async with reading(tmp_path, fake.base) as http:
        fake.faults["conditions"] = [reply(429, FAILED, retry_after=asked()), reply(200, WHOLE)]
        card = await card_of(http, asking(fake, token=TOKEN))
    first, second = fake.of("conditions")
    assert second.at - first.at > 0.9
    assert source(card) == "read"


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_failure_that_passes_leaves_no_trace(
    status: int, fake: FhirFake, tmp_path: Path
) -> None:
    fake.faults["conditions"] = [reply(status, FAILED), reply(200, WHOLE)]
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert len(fake.of("conditions")) == 2
    assert source(card) == "read"
    assert "server" not in card["detail"].partition("Noticed in the data")[2]


# pages
async def test_pages_are_followed_to_the_end_with_the_token(fake: FhirFake, tmp_path: Path) -> None:
    second = f"{fake.base}/Condition?key=second"
    third = "Condition?key=third"  # relative to the second
    fake.record["conditions"] = searchset(condition("I50.9"), total=3, **next_link(second))
    fake.record["second"] = searchset(condition("I10"), **next_link(third))
    fake.record["third"] = searchset(condition("E11.9"))
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert source(card) == "read"
    assert [fake.of(key)[0].token for key in ("second", "third")] == [f"Bearer {TOKEN}"] * 2


LINKS: dict[str, Callable[[str], str]] = {
    "another port": lambda base: "http://127.0.0.1:9/fhir/Condition?page=2",
    "another host": lambda base: "http://localhost:9/fhir/Condition?page=2",
    "another scheme": lambda base: base.replace("http:", "https:") + "/Condition?page=2",
    "without a scheme": lambda base: "//127.0.0.1:9/fhir/Condition",
    "beside the base": lambda base: base + "2/Condition?page=2",
    "above the base": lambda base: base + "/../secret",
    "above the base, encoded": lambda base: base + "/%2e%2e/secret",
    "with a name and a password": lambda base: base.replace("//", "//me:pw@") + "/Condition",
    "to a file": lambda base: "file:///etc/passwd",
    "no address": lambda base: "http://[",
    "to itself": lambda base: "",
}


@pytest.mark.slow
@pytest.mark.parametrize("case", LINKS)
async def test_a_link_that_leads_elsewhere_is_not_followed(
    case: str, fake: FhirFake, port: Loopback, tmp_path: Path
) -> None:
    fake.record["conditions"] = searchset(condition("I50.9"), **next_link(LINKS[case](fake.base)))
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert (source(card), noticed(card, "pages_not_followed")) == ("partial", True)
    assert len(fake.of("conditions")) == 1
    assert len(fake.asked) == len({each.key for each in fake.asked})


async def test_pages_that_lead_in_a_circle_are_left(fake: FhirFake, tmp_path: Path) -> None:
    there, back = f"{fake.base}/Condition?key=second", f"{fake.base}/Condition?key=third"
    fake.record["conditions"] = searchset(condition("I50.9"), **next_link(there))
    fake.record["second"] = searchset(condition("I10"), **next_link(back))
    fake.record["third"] = searchset(condition("E11.9"), **next_link(there))
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert (source(card), noticed(card, "pages_not_followed")) == ("partial", True)
    assert [len(fake.of(key)) for key in ("conditions", "second", "third")] == [1, 1, 1]


@pytest.mark.slow
async def test_pages_without_end_are_left(fake: FhirFake, tmp_path: Path) -> None:
    def page(number: int) -> Reply:
        link = next_link(f"{fake.base}/Condition?key=endless&page={number + 1}")
        return reply(200, searchset(condition("I50.9"), **link))

    fake.faults["conditions"] = [page(0)]
    fake.faults["endless"] = [page(number) for number in range(1, 2 * MOST_PAGES)]
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert (source(card), noticed(card, "pages_not_followed")) == ("partial", True)
    assert len(fake.of("endless")) == MOST_PAGES - 1


async def test_fewer_matches_than_the_total_are_part(fake: FhirFake, tmp_path: Path) -> None:
    fake.record["conditions"] = searchset(condition("I50.9"), total=7)
    async with reading(tmp_path, fake.base) as http:
        assert source(await card_of(http, asking(fake, token=TOKEN))) == "partial"


async def test_more_than_the_service_accepts_is_not_read(fake: FhirFake, tmp_path: Path) -> None:
    huge = searchset(condition("I50.9", note=[{"text": "x" * 200_000}]))
    fake.record["conditions"] = huge
    async with reading(tmp_path, fake.base, max_body_bytes=100_000) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert source(card) == "not_read"
    assert noticed(card, "server_answer_too_large")


@pytest.mark.slow
@pytest.mark.parametrize(("filling", "state"), [(10, "read"), (200_000, "not_read")])
async def test_a_compressed_answer_counts_as_long_as_it_is_unpacked(
    filling: int, state: str, fake: FhirFake, tmp_path: Path
) -> None:
    found = searchset(condition("I50.9", note=[{"text": "x" * filling}]))
    packed = gzip.compress(msgspec.json.encode(found))
    fake.faults["conditions"] = [reply(200, packed, content_encoding="gzip")]
    async with reading(tmp_path, fake.base, max_body_bytes=100_000) as http:
        assert source(await card_of(http, asking(fake, token=TOKEN))) == state


# whose resources
STRANGER = subject("stranger-7")
FOREIGN: dict[str, tuple[str, Any]] = {
    "the Patient": ("patient", patient(id="stranger-7")),
    "the stay": ("encounter", call()["prefetch"]["encounter"] | {"subject": STRANGER}),
    "a search result": ("conditions", searchset(condition("I10", subject=STRANGER))),
    "a broken search result": ("conditions", searchset(condition("I10", subject=STRANGER, id=7))),
}


@pytest.mark.parametrize("case", FOREIGN)
async def test_another_patient_is_a_hard_stop(case: str, fake: FhirFake, tmp_path: Path) -> None:
    key, fake.record[key] = FOREIGN[case][0], FOREIGN[case][1]
    async with reading(tmp_path, fake.base) as http:
        answer = await http.post(URL, json=asking(fake, token=TOKEN))
    (issue,) = answer.json()["issue"]
    assert (answer.status_code, issue["code"]) == (412, "conflict")
    assert issue["diagnostics"].startswith(f"fhirServer.{key}")
    assert "stranger-7" not in answer.text


async def test_an_entry_that_cannot_be_used_makes_it_part(fake: FhirFake, tmp_path: Path) -> None:
    fake.record["conditions"] = searchset(condition("I50.9"), condition("I10", recordedDate=5))
    async with reading(tmp_path, fake.base) as http:
        assert source(await card_of(http, asking(fake, token=TOKEN))) == "partial"


# the token, and where it goes
async def test_every_request_is_a_get_with_the_token_and_no_cookie(
    fake: FhirFake, tmp_path: Path
) -> None:
    async with reading(tmp_path, fake.base) as http:
        for _ in range(2):  # a cookie of the first call would be sent by the second
            await card_of(http, asking(fake, token=TOKEN))
    assert {each.token for each in fake.asked} == {f"Bearer {TOKEN}"}
    assert {each.headers["accept"] for each in fake.asked} == {"application/fhir+json"}
    assert not any("cookie" in each.headers for each in fake.asked)


async def test_without_a_token_none_is_sent(fake: FhirFake, tmp_path: Path) -> None:
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake))
    assert set(facts(card)["sources"].values()) == {"read"}
    assert {each.token for each in fake.asked} == {""}


async def test_calls_at_the_same_time_never_mix_tokens(port: Loopback, tmp_path: Path) -> None:
    fakes = {f"token-{number}": port.serve() for number in range(4)}
    async with reading(tmp_path, *(each.base for each in fakes.values())) as http:
        cards = await asyncio.gather(
            *(card_of(http, asking(fake, token=token)) for token, fake in fakes.items())
        )
    assert all(set(facts(card)["sources"].values()) == {"read"} for card in cards)
    for token, fake in fakes.items():
        assert {each.token for each in fake.asked} == {f"Bearer {token}"}


async def test_one_server_hears_each_call_with_its_own_token(
    fake: FhirFake, tmp_path: Path
) -> None:
    async with reading(tmp_path, fake.base) as http:
        await asyncio.gather(
            *(card_of(http, asking(fake, token=f"token-{number}")) for number in range(4))
        )
    heard = [(each.token, each.key) for each in fake.asked]
    assert len(heard) == len(set(heard))
    assert len({token for token, _ in heard}) == 4


def test_the_token_shows_nowhere() -> None:
    request = call() | {"fhirServer": "https://ehr.example/fhir"}
    request["fhirAuthorization"] = authorization("zwitscher")
    read = read_call(msgspec.json.encode(request), NOW)
    assert read.token is not None
    assert read.token.get_secret_value() == "zwitscher"
    assert "zwitscher" not in f"{read!r} {read} {read.token!r}"


# which servers
async def test_a_server_that_the_site_does_not_list_is_not_contacted(
    fake: FhirFake, port: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with reading(tmp_path, port.serve().base) as http:
        card = await card_of(http, asking(fake, token=TOKEN) | {"prefetch": call()["prefetch"]})
        refused = await http.post(URL, json=asking(fake, token=TOKEN))
    assert facts(card)["outcome"] == "scored"
    assert refused.status_code == 412
    assert fake.asked == []
    assert capsys.readouterr().err.count('"fhir_server": "not_allowed"') == 2


@pytest.mark.parametrize(
    ("named", "same"),
    [
        ("https://ehr.example/fhir", True),
        ("https://ehr.example/fhir/", True),
        ("HTTPS://EHR.example:443/fhir", True),
        ("http://ehr.example/fhir", False),
        ("https://ehr.example:8443/fhir", False),
        ("https://ehr.example/FHIR", False),
        ("https://ehr.example/fhir/other", False),
        ("https://ehr.example/", False),
        ("https://ehr.example/fhir?x=1", False),
        ("https://ehr.example/fhir#x", False),
        ("https://me@ehr.example/fhir", False),
        ("https://ehr.example.evil.example/fhir", False),
        ("https://evil.example/https://ehr.example/fhir", False),
        ("https://ehr.example\\@evil.example/fhir", False),
        ("file:///etc/passwd", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_the_very_address_is_the_one_listed(named: str, same: bool) -> None:
    assert (listed(named, ["https://ehr.example/fhir"]) is not None) == same


async def test_nothing_is_asked_where_nothing_is_lacking(fake: FhirFake, tmp_path: Path) -> None:
    async with reading(tmp_path, fake.base) as http:
        await card_of(http, asking(fake, token=TOKEN) | {"prefetch": call()["prefetch"]})
    assert fake.asked == []


async def test_what_says_whose_stay_it_is_comes_first_and_the_rest_not_for_nothing(
    fake: FhirFake, tmp_path: Path
) -> None:
    fake.record["encounter"] = call()["prefetch"]["encounter"] | {"status": "cancelled"}
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert facts(card)["reason"] == "encounter_cancelled"
    assert {each.key for each in fake.asked} == {"patient", "encounter", "encounters"}


async def test_observations_are_asked_from_the_day_before_the_stay_began(
    fake: FhirFake, tmp_path: Path
) -> None:
    async with reading(tmp_path, fake.base) as http:
        await card_of(http, asking(fake, token=TOKEN))
    (asked,) = fake.of("observations")
    assert asked.query["date"] == ["ge2026-11-09"]
    assert asked.query["patient"] == ["p1"]
    assert "http://loinc.org|718-7" in asked.query["code"][0]
    assert fake.of("vitals") == []


async def test_a_page_that_comes_twice_does_not_fill_the_total(
    fake: FhirFake, tmp_path: Path
) -> None:
    link = next_link(f"{fake.base}/Condition?page=2")
    page = searchset(condition("I50.9"), condition("I10"), total=4)
    fake.faults["conditions"] = [reply(200, page | link), reply(200, page)]
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert len(fake.of("conditions")) == 2
    assert source(card) == "partial"


# a search that contradicts a read
@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param(searchset(), "partial", id="nothing"),
        pytest.param(searchset(EARLIER), "partial", id="another stay alone"),
        pytest.param(searchset(EARLIER, stay()), "read", id="the stay too"),
    ],
)
async def test_a_search_that_misses_the_stay_itself_is_no_proof_of_a_zero(
    found: Json, state: str, fake: FhirFake, tmp_path: Path
) -> None:
    fake.faults["encounters"] = [reply(200, found)]
    async with reading(tmp_path, fake.base) as http:
        card = await card_of(http, asking(fake, token=TOKEN))
    assert source(card, "Encounter") == state
    assert noticed(card, "stay_not_found_by_search") is (state == "partial")
