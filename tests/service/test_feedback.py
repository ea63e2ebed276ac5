"""Feedback: what is read of a call, by which path it is refused, and what is stored of it."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from cds_service.errors import BodyTooLargeError, MalformedRequestError
from cds_service.hooks.feedback import Feedback, read_feedback
from cds_service.storage.store import Store
from cds_service.storage.tables import FeedbackRow, SealedRow
from tests.security.clients import Ehr, key_server, signing_key, trusting
from tests.service.patients import NOW, Json, call, card_of, serving
from tests.service.patients import URL as SERVICE
from tests.service.stored import KEY, opened

URL = f"{SERVICE}/feedback"
CARD = "4e0a3a1e-3283-4575-ab82-028d55fe2719"
SUGGESTION = "e56e1945-20b3-4393-8503-a1a20fd73152"
AT = "2026-11-21T10:05:31Z"
ACCEPTED: Json = {
    "card": CARD,
    "outcome": "accepted",
    "acceptedSuggestions": [{"id": SUGGESTION}],
    "outcomeTimestamp": AT,
}
DISMISSED: Json = {"card": CARD, "outcome": "overridden", "outcomeTimestamp": AT}
REASON: Json = {"code": "d7ecf885", "system": "https://example.com/reasons"}
ALREADY = "Already seen by the canary nurse."
OVERRIDDEN = DISMISSED | {"overrideReason": {"reason": REASON, "userComment": ALREADY}}


def body(*entries: Any) -> bytes:
    return json.dumps({"feedback": entries}).encode()


def only(entry: Json) -> Feedback:
    (found,) = read_feedback(body(entry))
    return found


# what is read


def test_the_specifications_examples_are_read() -> None:
    at = datetime(2026, 11, 21, 10, 5, 31, tzinfo=UTC)
    assert only(ACCEPTED) == Feedback(CARD, "accepted", (SUGGESTION,), None, None, at)
    assert only(DISMISSED) == Feedback(CARD, "overridden", (), None, None, at)
    reason = ("https://example.com/reasons", "d7ecf885")
    assert only(OVERRIDDEN) == Feedback(CARD, "overridden", (), reason, ALREADY, at)


@pytest.mark.parametrize(
    ("entry", "reason", "comment"),
    [
        ({"reason": REASON}, (REASON["system"], REASON["code"]), None),
        ({"userComment": "x"}, None, "x"),
        ({"userComment": "two\nlines", "reason": None}, None, "two\nlines"),
    ],
)
def test_a_reason_or_a_comment_is_enough(entry: Json, reason: Any, comment: Any) -> None:
    found = only(DISMISSED | {"overrideReason": entry})
    assert (found.reason, found.comment) == (reason, comment)


def test_several_cards_and_repeats_of_one_are_read_in_order() -> None:
    found = read_feedback(body(ACCEPTED, DISMISSED, ACCEPTED))
    assert [each.outcome for each in found] == ["accepted", "overridden", "accepted"]


@pytest.mark.parametrize("nothing", [{}, {"acceptedSuggestions": []}, {"overrideReason": None}])
def test_what_an_override_leaves_out_is_not_asked_for(nothing: Json) -> None:
    assert only(DISMISSED | nothing) == only(DISMISSED)


def test_unknown_members_are_ignored() -> None:
    entry = ACCEPTED | {"extension": {"a": 1}, "user": "x"}
    entry["acceptedSuggestions"] = [{"id": SUGGESTION, "label": "x"}]
    assert only(entry) == only(ACCEPTED)


@pytest.mark.parametrize(
    ("stated", "utc"),
    [
        ("2026-11-21T12:05:31+02:00", "2026-11-21T10:05:31+00:00"),
        ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000+00:00"),
        ("2026-11-21t10:05:31z", "2026-11-21T10:05:31+00:00"),
    ],
)
def test_an_instant_is_kept_in_utc(stated: str, utc: str) -> None:
    assert only(DISMISSED | {"outcomeTimestamp": stated}).at.isoformat() == utc


# what is refused


def changed(entry: Json, **members: Any) -> bytes:
    return body({key: value for key, value in (entry | members).items() if value is not ...})


REFUSED: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{", "request body"),
    "not UTF-8": (b'{"feedback": "\xff"}', "request body"),
    "a list": (b"[]", "request body"),
    "deep": (b"[" * 100_000, "request body"),
    "no feedback": (b"{}", "feedback"),
    "null": (b'{"feedback": null}', "feedback"),
    "an object": (b'{"feedback": {}}', "feedback"),
    "no entry": (body(), "feedback"),
    "101 entries": (body(*[DISMISSED] * 101), "feedback"),
    "an entry that is text": (body(DISMISSED, "x"), "feedback[1]"),
    "no card": (changed(ACCEPTED, card=...), "feedback[0].card"),
    "an empty card": (changed(ACCEPTED, card=""), "feedback[0].card"),
    "a card of 256 characters": (changed(ACCEPTED, card="x" * 256), "feedback[0].card"),
    "a card with a control character": (changed(ACCEPTED, card="a\0b"), "feedback[0].card"),
    "no outcome": (changed(ACCEPTED, outcome=...), "feedback[0].outcome"),
    "ignored": (changed(ACCEPTED, outcome="ignored"), "feedback[0].outcome"),
    "outcome as list": (changed(ACCEPTED, outcome=["accepted"]), "feedback[0].outcome"),
    "accepted nothing": (
        changed(ACCEPTED, acceptedSuggestions=...), "feedback[0].acceptedSuggestions",
    ),
    "accepted an empty list": (
        changed(ACCEPTED, acceptedSuggestions=[]), "feedback[0].acceptedSuggestions",
    ),
    "accepted ids as text": (
        changed(ACCEPTED, acceptedSuggestions=[SUGGESTION]), "feedback[0].acceptedSuggestions[0]",
    ),
    "accepted without id": (
        changed(ACCEPTED, acceptedSuggestions=[{"id": "a"}, {}]),
        "feedback[0].acceptedSuggestions[1].id",
    ),
    "51 suggestions": (
        changed(ACCEPTED, acceptedSuggestions=[{"id": "a"}] * 51),
        "feedback[0].acceptedSuggestions",
    ),
    "an override reason that says nothing": (
        changed(DISMISSED, overrideReason={}), "feedback[0].overrideReason",
    ),
    "an override reason that is text": (
        changed(DISMISSED, overrideReason="x"), "feedback[0].overrideReason",
    ),
    "a reason without code": (
        changed(DISMISSED, overrideReason={"reason": {"system": "s"}}),
        "feedback[0].overrideReason.reason.code",
    ),
    "a reason without system": (
        changed(DISMISSED, overrideReason={"reason": {"code": "c"}}),
        "feedback[0].overrideReason.reason.system",
    ),
    "an empty comment": (
        changed(DISMISSED, overrideReason={"userComment": " "}),
        "feedback[0].overrideReason.userComment",
    ),
    "a comment of 4001 characters": (
        changed(DISMISSED, overrideReason={"userComment": "x" * 4001}),
        "feedback[0].overrideReason.userComment",
    ),
    "no time": (changed(ACCEPTED, outcomeTimestamp=...), "feedback[0].outcomeTimestamp"),
    "a time without offset": (
        changed(ACCEPTED, outcomeTimestamp="2026-11-21T10:05:31"), "feedback[0].outcomeTimestamp",
    ),
    "a date": (changed(ACCEPTED, outcomeTimestamp="2026-11-21"), "feedback[0].outcomeTimestamp"),
    "before the first year": (
        changed(ACCEPTED, outcomeTimestamp="0001-01-01T00:00:00+14:00"),
        "feedback[0].outcomeTimestamp",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_the_path_and_quotes_nothing(case: str) -> None:
    sent, where = REFUSED[case]
    with pytest.raises(MalformedRequestError) as refused:
        read_feedback(sent)
    assert str(refused.value).startswith(f"{where}: ")
    assert SUGGESTION not in str(refused.value)
    assert refused.value.__cause__ is None


def test_more_than_a_mebibyte_is_refused_unread() -> None:
    with pytest.raises(BodyTooLargeError):
        read_feedback(b" " * (1024 * 1024 + 1))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from([CARD, AT]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [*OVERRIDDEN, "acceptedSuggestions", "id", "reason", "code", "feedback"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_whatever_is_sent_is_read_or_refused(sent: Any) -> None:
    with suppress(MalformedRequestError):
        assert read_feedback(json.dumps({"feedback": [sent]}).encode())


# what is stored


async def posted(http: httpx.AsyncClient, *entries: Json, status: int = 200) -> httpx.Response:
    answer = await http.post(URL, json={"feedback": entries})
    assert answer.status_code == status, answer.text
    return answer


async def stored(url: str) -> tuple[list[Json], dict[str, Any]]:
    """The feedback rows as they were written, and the comments by the uuid of theirs."""
    store: Store = opened(url)
    async with store.engine.connect() as connection:
        order = FeedbackRow.received_at, FeedbackRow.outcome_at
        found = await connection.execute(select(FeedbackRow.__table__).order_by(*order))
        rows = [dict(each) for each in found.mappings()]
    await store.close()
    return rows, await comments(url, [row["uuid"] for row in rows])


async def comments(url: str, uuids: list[str]) -> dict[str, Any]:
    store = opened(url)
    async with store.engine.connect() as connection:
        sealed = SealedRow.__table__
        found = await connection.execute(select(sealed).where(sealed.c.subject.in_(uuids)))
        kept = {each["subject"]: each["content"] for each in found.mappings()}
    await store.close()
    return kept


async def test_feedback_is_stored_beside_the_assessment_that_showed_the_card(
    url: str, tmp_path: Path
) -> None:
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        card = await card_of(http, call())
        await card_of(http, call())
        suggestion = card["suggestions"][0]["uuid"]
        accepted = ACCEPTED | {"card": card["uuid"], "acceptedSuggestions": [{"id": suggestion}]}
        later = {"card": card["uuid"], "outcomeTimestamp": "2026-11-21T10:06:00Z"}
        answer = await posted(http, accepted, OVERRIDDEN | later)
    assert answer.content == b""
    (first, second), sealed = await stored(url)
    assessment = card["extension"]["org.readmit.readmission"]["assessment"]
    assert first["assessment_uuid"] == second["assessment_uuid"] == assessment
    assert (first["outcome"], json.loads(first["accepted_suggestions"])) == (
        "accepted",
        [suggestion],
    )
    assert (second["outcome"], second["accepted_suggestions"]) == ("overridden", None)
    assert (second["reason_system"], second["reason_code"]) == (REASON["system"], REASON["code"])
    assert (first["commented"], second["commented"]) == (False, True)
    assert first["tenant"] == "dev"
    assert first["service_id"] == "readmission-risk"
    assert list(sealed) == [second["uuid"]]
    assert b"canary" not in sealed[second["uuid"]]
    assert "canary" not in str(first) + str(second)


async def test_repeats_are_appended(url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        card = await card_of(http, call())
        for _ in range(2):
            await posted(http, *[DISMISSED | {"card": card["uuid"]}] * 2)
    rows, _ = await stored(url)
    assert len({row["uuid"] for row in rows}) == 4


async def test_an_unknown_card_is_quarantined_and_accepted(url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        await posted(http, OVERRIDDEN)
    (row,), sealed = await stored(url)
    assert (row["card_uuid"], row["assessment_uuid"]) == (CARD, None)
    assert list(sealed) == [row["uuid"]]


async def test_the_card_of_another_tenant_is_nobodys(url: str, tmp_path: Path) -> None:
    with key_server(north := signing_key("n"), south := signing_key("s")) as keys:
        one = Ehr("north", "https://north.example", north, keys.address)
        two = Ehr("south", "https://south.example", south, keys.address)
        async with trusting(tmp_path, one, two, database=url) as http:
            http.auth = one.auth()
            card = await card_of(http, call())
            http.auth = two.auth()
            await posted(http, DISMISSED | {"card": card["uuid"]})
            http.auth = one.auth()
            await posted(
                http, DISMISSED | {"card": card["uuid"], "outcomeTimestamp": f"{NOW:%FT%TZ}"}
            )
            http.auth = None
            assert (await http.post(URL, json={"feedback": [DISMISSED]})).status_code == 401
    (foreign, own), _ = await stored(url)
    assert (foreign["tenant"], foreign["assessment_uuid"]) == ("south", None)
    assert (own["tenant"], own["assessment_uuid"] is None) == ("north", False)


async def test_one_bad_entry_stores_none_of_the_call(url: str, tmp_path: Path) -> None:
    async with serving(tmp_path, database=url, storage_keys=(KEY,)) as http:
        answer = await posted(http, DISMISSED, ACCEPTED | {"outcome": "canary"}, status=400)
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert "feedback[1].outcome" in answer.text
    assert "canary" not in answer.text
    assert (await stored(url))[0] == []


async def test_a_service_that_is_not_offered_takes_none(tmp_path: Path) -> None:
    async with serving(tmp_path) as http:
        answer = await http.post("/cds-services/other/feedback", json={"feedback": [DISMISSED]})
        assert answer.status_code == 404
        assert (await http.get(URL)).status_code == 405


async def test_a_comment_reaches_no_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    async with serving(tmp_path) as http:
        await posted(http, OVERRIDDEN)
    logged = capfd.readouterr().err
    assert '"feedback": 1' in logged
    assert '"quarantined": 1' in logged
    assert "canary" not in logged
    assert CARD not in logged
