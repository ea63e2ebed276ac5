"""One resource written to a server that fails, forgets to answer, or sends somewhere else."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response

from cds_service.batch.calling.patience import MOST_FAILURES, Surroundings
from cds_service.batch.calling.sending import Sender
from cds_service.batch.errors import BatchError
from cds_service.batch.targets.once import Became, Once
from cds_service.batch.targets.pieces import LOOKUPS, Piece
from cds_service.batch.targets.statement import Way, way_of
from cds_service.fhir_elements import of_uuid
from cds_service.fhir_server import outgoing_client
from tests.batch.bulk_server.faults import outcome
from tests.batch.exporting import Time
from tests.batch.written_server import WAYS, FakeFhir, Json, fake_fhir

pytestmark = pytest.mark.sampled(12)

KIND = "RiskAssessment"
WAY = {
    "update": Way("update"),
    "condition": Way("condition", "identifier"),
    "search": Way("search", "identifier"),
    "search by subject": Way("search", "subject"),
    "note": Way("note"),
}
MIGHT_BE_THERE = pytest.mark.parametrize("way", [name for name in WAY if name != "note"])
EVERY = pytest.mark.parametrize("way", list(WAY))


@dataclass
class Memory:
    """A ledger that is not killed."""

    noted: dict[str, str] = field(default_factory=dict)

    async def begin(self, kind: str, uuid: str) -> str | None:
        if uuid in self.noted:
            return self.noted[uuid]
        self.noted[uuid] = ""
        return None

    async def end(self, kind: str, uuid: str, at: str) -> None:
        self.noted[uuid] = at

    async def withdraw(self, kind: str, uuid: str) -> None:
        del self.noted[uuid]


@dataclass
class Writing:
    """One server, a time that only pauses move, and a memory."""

    server: FakeFhir
    sender: Sender
    time: Time = field(default_factory=Time)
    ledger: Memory = field(default_factory=Memory)

    async def write(self, way: str, piece: Piece) -> Became:
        self.server.statement = WAYS[way]
        around = Surroundings(self.sender, self.time, self.time.pause, self.time)
        return await Once(around, self.server.base, {KIND: WAY[way]}, self.ledger).write(piece)


@pytest.fixture
def server() -> Iterator[FakeFhir]:
    with fake_fhir() as running:
        yield running


@pytest.fixture
async def writing(server: FakeFhir) -> AsyncIterator[Writing]:
    async with outgoing_client() as http:
        yield Writing(server, Sender(http, None))


def piece(patient: str = "p") -> Piece:
    name = str(uuid.uuid4())
    named = of_uuid(name)
    subject = f"Patient/{patient}"
    made: Json = {
        "resourceType": KIND,
        "id": name,
        "identifier": [named],
        "subject": {"reference": subject},
    }
    lookups = {"identifier": f"{named['system']}|{named['value']}", "subject": subject}
    return Piece(KIND, name, made, named["value"], lookups)


def once(*answers: Response | None) -> Any:
    """Each of them in place of the server's own answer, None for that, one for each write."""
    left = list(answers)
    return lambda method, kind, body: left.pop(0) if left and method != "GET" else None


@EVERY
@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_is_asked_again_when_it_says(
    way: str, status: int, writing: Writing
) -> None:
    busy = Response(status_code=status, headers={"retry-after": "17"})
    writing.server.before = once(busy, busy)
    assert (await writing.write(way, piece())).what == "new"
    assert writing.time.pauses == [17.0, 17.0]
    assert len(writing.server.writes) == 1


@MIGHT_BE_THERE
@pytest.mark.parametrize("status", [500, 502, 504])
async def test_after_an_answer_that_is_lost_there_is_still_one(
    way: str, status: int, writing: Writing
) -> None:
    writing.server.after = once(Response(status_code=status))
    became = await writing.write(way, piece())
    assert became.what == "there"
    assert len(writing.server.writes) == 1
    assert (await writing.write(way, piece())).what == "new"


async def test_where_nothing_can_be_asked_it_is_not_sent_again_and_said(writing: Writing) -> None:
    writing.server.after = once(Response(status_code=504))
    one = piece()
    for _ in range(2):
        became = await writing.write("note", one)
        assert (became.what, became.at) == ("unsure", "")
        assert "look for its identifier" in became.why
    assert len(writing.server.writes) == 1


async def test_what_certainly_did_not_arrive_is_sent_again_all_the_same(writing: Writing) -> None:
    writing.server.before = once(JSONResponse(outcome("invariant"), 422))
    one = piece()
    assert (await writing.write("note", one)).what == "refused"
    assert writing.ledger.noted == {}
    assert (await writing.write("note", one)).what == "new"
    assert (await writing.write("note", one)).what == "there"
    assert len(writing.server.writes) == 1


@EVERY
@pytest.mark.parametrize("status", [400, 403, 409, 412, 422])
async def test_what_is_refused_is_not_tried_again(way: str, status: int, writing: Writing) -> None:
    writing.server.before = once(JSONResponse(outcome("invalid"), status))
    became = await writing.write(way, piece())
    assert (became.what, became.status) == ("refused", status)
    assert became.why == f"status {status} (invalid)"
    assert writing.time.pauses == []


@EVERY
async def test_a_server_that_never_answers_ends_the_run_with_a_sentence(
    way: str, writing: Writing
) -> None:
    writing.server.before = lambda method, kind, body: Response(status_code=503)
    with pytest.raises(BatchError, match=f"failed {MOST_FAILURES} times in a row, last with"):
        await writing.write(way, piece())
    assert len(writing.time.pauses) == MOST_FAILURES - 1
    assert writing.ledger.noted == {}


async def test_it_is_found_on_a_later_page_and_among_others_of_the_patient(
    writing: Writing,
) -> None:
    pieces = [piece() for _ in range(5)]
    for each in pieces:
        assert (await writing.write("search by subject", each)).what == "new"
    for each in pieces:
        assert (await writing.write("search by subject", each)).what == "there"
    assert len(writing.server.writes) == 5


@pytest.mark.parametrize("body", [b"<html>Please sign in</html>", b"{}", b""])
async def test_a_page_that_answers_everything_is_no_resource(body: bytes, writing: Writing) -> None:
    writing.server.before = lambda method, kind, its: Response(body)
    became = await writing.write("update", piece())
    assert (became.what, became.why) == ("refused", "something else answers under its id")
    with pytest.raises(BatchError, match="does not say under which id it created"):
        await writing.write("condition", piece())


async def test_what_cannot_be_looked_for_is_not_created(writing: Writing) -> None:
    writing.server.before = lambda method, kind, body: (
        JSONResponse(outcome("not-supported"), 400) if method == "GET" else None
    )
    became = await writing.write("search", piece())
    assert (became.what, became.why) == ("refused", "status 400 (not-supported)")
    assert writing.server.writes == []


@pytest.mark.parametrize("onward", ["https://elsewhere.example/fhir/RiskAssessment?p=2", "?"])
async def test_pages_that_lead_away_or_in_a_circle_are_not_followed(
    onward: str, writing: Writing
) -> None:
    link = [{"relation": "next", "url": onward}]
    page = {"resourceType": "Bundle", "type": "searchset", "link": link}
    writing.server.before = lambda method, kind, body: JSONResponse(page)
    with pytest.raises(BatchError, match="has pages that cannot be followed"):
        await writing.write("search", piece())
    assert writing.server.writes == []


@pytest.mark.parametrize("way", ["condition", "search", "note"])
async def test_a_server_has_to_say_under_which_id_it_created(way: str, writing: Writing) -> None:
    writing.server.after = once(Response(status_code=201))
    with pytest.raises(BatchError, match="does not say under which id it created"):
        await writing.write(way, piece())


@MIGHT_BE_THERE
async def test_a_patient_in_an_answer_gets_into_no_sentence(way: str, writing: Writing) -> None:
    said = outcome("invalid", diagnostics="Jane Doe", details={"text": "Jane Doe"})
    writing.server.before = lambda method, kind, body: JSONResponse(said, 400)
    assert "Jane" not in (await writing.write(way, piece())).why


@pytest.mark.parametrize("name", list(WAYS))
def test_the_way_is_what_the_statement_says(name: str) -> None:
    assert way_of(statement({KIND: WAYS[name][KIND]}), KIND, LOOKUPS[KIND]) == WAY[name]


@pytest.mark.parametrize(
    ("said", "way"),
    [
        (b"", Way("update")),
        (b"[]", Way("update")),
        (b'{"rest": [{"mode": "client"}]}', Way("update")),
        ({"Patient": {"interaction": [{"code": "read"}]}}, Way("update")),
        ({KIND: {}}, Way("update")),
        ({KIND: {"interaction": [{"code": "read"}], "updateCreate": True}}, None),
        # a condition on what cannot be searched for is none
        ({KIND: {"interaction": [{"code": "create"}], "conditionalCreate": True}}, Way("note")),
    ],
)
def test_of_a_type_without_a_word_an_update_is_tried(said: Any, way: Way | None) -> None:
    given = said if isinstance(said, bytes) else statement(said)
    assert way_of(given, KIND, LOOKUPS[KIND]) == way


def statement(kinds: dict[str, Json]) -> bytes:
    resources = [{"type": kind} | said for kind, said in kinds.items()]
    return JSONResponse({"rest": [{"mode": "server", "resource": resources}]}).body  # type: ignore[return-value]


async def test_lost_connections_are_as_lost_answers(writing: Writing) -> None:
    """A port where nobody listens: nothing was sent, so the note is taken back."""
    one = piece()
    nowhere = Once(
        Surroundings(writing.sender, writing.time, writing.time.pause, writing.time),
        "http://127.0.0.1:9/fhir",
        {KIND: Way("note")},
        writing.ledger,
    )
    with pytest.raises(BatchError, match="no answer"):
        await nowhere.write(one)
    assert writing.ledger.noted == {}
