"""One case of the corpus and its form on disk. Says nothing of how a service is called."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
SERVICE = "readmission-risk"
_STAY = re.compile(r"\bstay-1\b")
READ_AS_WHOLE = {"lace": 10, "hospital": 5}
"""The points of the patient that every case starts from."""


@dataclass(frozen=True)
class Case:
    """A request and what is expected of it. `sent`: an object to be sent as JSON, or the bytes."""

    name: str
    why: str
    sent: Json | bytes
    expected: Json
    source: str = ""
    service: str = SERVICE
    headers: Mapping[str, str] = field(default_factory=dict)

    def text(self, family: str) -> str:
        """The file: an object on many lines, but a resource in a Bundle on one.

        Each case has a stay of its own: a service may remember the stays that it was asked about.
        """
        known: Json = {"name": f"{family}/{self.name}", "why": self.why, "source": self.source}
        known |= {"service": self.service, "headers": dict(self.headers)}
        known |= _sent(self.sent) | {"expected": self.expected}
        kept = {
            key: value for key, value in known.items() if value not in ("", {}) or key == "body"
        }
        return _STAY.sub(f"stay-{self.name}", _pretty(kept)) + "\n"


def _sent(sent: Json | bytes) -> Json:
    if isinstance(sent, dict):
        return {"request": sent}
    try:
        return {"body": sent.decode("utf-8")}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(sent).decode()}


def _pretty(value: Any, indent: str = "", *, width: int = 100) -> str:
    """JSON with whatever fits on a line on one line: a diff shows the resource that changed."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(flat) <= width or "search" in value:
        return flat
    inner = indent + "  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {_pretty(each, inner)}" for key, each in value.items()]
    else:
        parts = [_pretty(each, inner) for each in value]
    start, end = "{}" if isinstance(value, dict) else "[]"
    return f"{start}\n{inner}" + f",\n{inner}".join(parts) + f"\n{indent}{end}"


def scored(
    name: str,
    why: str,
    sent: Json | bytes,
    *,
    points: Mapping[str, int] = READ_AS_WHOLE,
    noticed: Iterable[str] = (),
    source: str = "",
    headers: Mapping[str, str] | None = None,
    **read: str,
) -> Case:
    """Answered with these points; `read`: how much of a resource type counts as read."""
    expected: Json = {"status": 200, "outcome": "scored", "points": dict(points)}
    expected |= {"noticed": sorted(noticed)} | ({"sources": read} if read else {})
    return Case(name, why, sent, expected, source, headers=headers or {})


def not_scored(name: str, why: str, sent: Json, reason: str, *, source: str = "") -> Case:
    """Answered with a card that says why there is no score."""
    expected = {"status": 200, "outcome": "not_scored", "reason": reason}
    return Case(name, why, sent, expected, source)


def refused(
    name: str,
    why: str,
    sent: Json | bytes,
    status: int,
    *,
    where: str,
    source: str = "",
    service: str = SERVICE,
    headers: Mapping[str, str] | None = None,
) -> Case:
    """Answered with an OperationOutcome whose diagnostics begin with the place, `where`."""
    expected = {"status": status, "where": where}
    return Case(name, why, sent, expected, source, service, headers or {})


def put(request: Json, **members: Any) -> Json:
    """The request with members of its top level replaced."""
    return request | members


def context(request: Json, **members: Any) -> Json:
    """The request with members of its context replaced."""
    return request | {"context": request["context"] | members}


def lacking(request: Json, *path: str) -> Json:
    """The request without the member at the path."""
    first, *rest = path
    if rest:
        return request | {first: lacking(request[first], *rest)}
    return {key: value for key, value in request.items() if key != first}
