"""An assessment beside an earlier one of the same patient: what each says, and which inputs differ."""

from collections.abc import Iterator
from dataclasses import dataclass

from cds_service.hooks.estimate import shown_value
from cds_service.hooks.points import TITLES
from cds_service.hooks.wording import UNKNOWN, WHEN, whole_percent
from cds_service.smart.view.result import shown_time
from cds_service.smart.view.stored import Stored
from model.scoring import Value


@dataclass(frozen=True)
class Line:
    """One thing, as it was and as it is."""

    what: str
    before: str
    now: str

    @property
    def differs(self) -> bool:
        """Whether it is worth a mark."""
        return self.before != self.now


@dataclass(frozen=True)
class Differing:
    """`inputs` None: those of one of the two are not kept, or of another catalogue."""

    lines: tuple[Line, ...]
    inputs: tuple[Line, ...] | None


def differing(before: Stored, now: Stored) -> Differing:
    """Both as they were shown."""
    lines = zip(_said(before), _said(now), strict=True)
    return Differing(
        tuple(Line(what, was, says) for (what, was), (_, says) in lines), _inputs(before, now)
    )


def _said(stored: Stored) -> Iterator[tuple[str, str]]:
    row = stored.row
    yield "Made", shown_time(row["created_at"], stored)
    yield "Result", _result(stored)
    yield "As of", WHEN.get(row["timing"], UNKNOWN)
    yield "Known inputs", UNKNOWN if row["known_inputs"] is None else str(row["known_inputs"])
    for name, title in TITLES.items():
        points = row[f"{name}_points"]
        yield title, UNKNOWN if points is None else str(points)
    yield "Model version", row["bundle_digest"][:12]


def _result(stored: Stored) -> str:
    row = stored.row
    if row["outcome"] != "scored":
        return f"not scored: {stored.words.reasons.get(row['reason'], row['reason'])}"
    return "points only" if row["probability"] is None else whole_percent(row["probability"])


def _inputs(before: Stored, now: Stored) -> tuple[Line, ...] | None:
    was, says = before.vector, now.vector
    if was is None or says is None:
        return None
    pairs = ((each, was[each.name], says[each.name]) for each in now.inputs)
    return tuple(
        Line(each.label, _shown(shown_value(each, old), old), _shown(shown_value(each, new), new))
        for each, old, new in pairs
        if old != new
    )


def _shown(words: str, value: Value) -> str:
    return UNKNOWN if value == "unknown" else words
