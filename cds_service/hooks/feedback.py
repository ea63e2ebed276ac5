"""From the bytes of a feedback call to entries; every refusal names its path, never a value.

CDS Hooks 2.0, Feedback. Unknown members are ignored, and so is whether a card is known: that is the
store's business. An empty list is refused: JSON elements shall not be empty (Use of JSON).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from cds_service.errors import BodyTooLargeError, MalformedRequestError

Outcome = Literal["accepted", "overridden"]
_MOST_BYTES = 1024 * 1024
MOST_ENTRIES = 100
MOST_SUGGESTIONS = 50
_LONGEST = 255
LONGEST_COMMENT = 4000
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True)
class Feedback:
    """What became of one card; `at` in UTC. `reason`: system and code as the client knows them."""

    card: str
    outcome: Outcome
    accepted_suggestions: tuple[str, ...]
    reason: tuple[str, str] | None
    comment: str | None
    at: datetime


def read_feedback(body: bytes) -> tuple[Feedback, ...]:
    """Read every entry, or none. Raises MalformedRequestError, or BodyTooLargeError."""
    if len(body) > _MOST_BYTES:
        remedy = "Send fewer entries in one call."
        raise BodyTooLargeError("request body", f"more than {_MOST_BYTES} bytes.", remedy)
    listed = _object("request body", _decoded(body)).get("feedback")
    entries = _list("feedback", listed, most=MOST_ENTRIES)
    return tuple(_entry(f"feedback[{number}]", each) for number, each in enumerate(entries))


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise MalformedRequestError("request body", "not JSON in UTF-8.", _SEND) from None


def _entry(where: str, value: Any) -> Feedback:
    entry = _object(where, value)
    outcome = _outcome(f"{where}.outcome", entry.get("outcome"))
    reason, comment = _override(f"{where}.overrideReason", entry.get("overrideReason"))
    return Feedback(
        card=_text(f"{where}.card", entry.get("card")),
        outcome=outcome,
        accepted_suggestions=tuple(_accepted(where, entry.get("acceptedSuggestions"), outcome)),
        reason=reason,
        comment=comment,
        at=_moment(f"{where}.outcomeTimestamp", entry.get("outcomeTimestamp")),
    )


def _outcome(where: str, value: Any) -> Outcome:
    match value:
        case "accepted" | "overridden":
            found: Outcome = value
            return found
    raise MalformedRequestError(where, "not an outcome.", "Send accepted or overridden.")


def _accepted(where: str, value: Any, outcome: Outcome) -> Iterator[str]:
    """Required of an accepted card; an overridden one may have none."""
    where = f"{where}.acceptedSuggestions"
    if outcome == "overridden" and not value:
        return
    for number, each in enumerate(_list(where, value, most=MOST_SUGGESTIONS)):
        path = f"{where}[{number}]"
        yield _text(f"{path}.id", _object(path, each).get("id"))


def _override(where: str, value: Any) -> tuple[tuple[str, str] | None, str | None]:
    """The reason as system and code, and the comment; one of the two at least."""
    if value is None:
        return None, None
    given = _object(where, value)
    reason, comment = given.get("reason"), given.get("userComment")
    if reason is None and comment is None:
        raise MalformedRequestError(where, "says nothing.", "Send reason, userComment, or both.")
    return (
        None if reason is None else _coding(f"{where}.reason", reason),
        None if comment is None else _comment(f"{where}.userComment", comment),
    )


def _coding(where: str, value: Any) -> tuple[str, str]:
    coding = _object(where, value)
    return (
        _text(f"{where}.system", coding.get("system")),
        _text(f"{where}.code", coding.get("code")),
    )


def _comment(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise MalformedRequestError(where, "not a text.", "Send the words, or leave it out.")
    if len(value) > LONGEST_COMMENT:
        remedy = f"Send at most {LONGEST_COMMENT} characters."
        raise MalformedRequestError(where, "too long.", remedy)
    return value


def _moment(where: str, value: Any) -> datetime:
    try:
        return msgspec.convert(_text(where, value), _Moment).astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        remedy = "Send a date and time with its offset, as RFC 3339 has it: 2026-11-21T12:00:00Z."
        raise MalformedRequestError(where, "not an instant.", remedy) from None


def _object(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise MalformedRequestError(where, "not an object.", _SEND)
    return value


def _list(where: str, value: Any, *, most: int) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise MalformedRequestError(where, "missing, empty or not a list.", _SEND)
    if len(value) > most:
        raise MalformedRequestError(where, "too many.", f"Send at most {most} at a time.")
    return value


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        remedy = f"Send 1 to {_LONGEST} printable characters."
        raise MalformedRequestError(where, "missing or not a plain text.", remedy)
    return value


_SEND = 'Send {"feedback": [...]} as CDS Hooks 2.0 describes it.'
