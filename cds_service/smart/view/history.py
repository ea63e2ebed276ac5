"""Earlier assessments of the same patient by the same service: a small drawing, and the table of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from cds_service.hooks.points import TITLES
from cds_service.hooks.wording import whole_percent
from cds_service.smart.view.drawing import Scale, anchor, scale_of
from cds_service.smart.view.result import shown_time
from cds_service.smart.view.stored import Stored
from cds_service.smart.view.words import HOOKS

_MOST = 24
_HEIGHT, _ROOM = 6.875, 0.75
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One estimate on the drawing: percent of the width, rem from above."""

    left: float
    top: float
    label: str
    hollow: bool
    here: bool

    @property
    def anchor(self) -> str:
        """How its label is aligned."""
        return anchor(self.left)

    @property
    def label_top(self) -> float:
        """Above the point, or below where it stands high."""
        return round(self.top + (1.4 if self.top < 2.0 else -0.75), 3)


@dataclass(frozen=True)
class Line:
    """From one point to the next one of the same model version."""

    from_left: float
    from_top: float
    to_left: float
    to_top: float


@dataclass(frozen=True)
class Earlier:
    """One row of the table. `uuid`: what the page is asked for to show it."""

    uuid: str
    at: str
    hook: str
    result: str
    points: str
    inputs: str
    here: bool
    other_model: bool


@dataclass(frozen=True)
class History:
    """`left_out`: older ones that are not listed. `top`: what the drawing reaches up to."""

    rows: tuple[Earlier, ...]
    left_out: int
    points: tuple[Point, ...]
    lines: tuple[Line, ...]
    top: str
    first: str
    last: str
    described: str


def history_of(stored: Stored, rows: Sequence[Row]) -> History:
    """`rows`: the patient's assessments, oldest first. What was made silently is never shown."""
    service = stored.row["service_id"]
    shown = [row for row in rows if row["service_id"] == service and not row["silent"]]
    kept = shown[-_MOST:]
    drawn = [row for row in kept if row["probability"] is not None]
    scale = scale_of([row["probability"] for row in drawn])
    points = _points(drawn, scale, stored)
    return History(
        rows=tuple(_earlier(row, stored) for row in reversed(kept)),
        left_out=len(shown) - len(kept),
        points=tuple(points),
        lines=tuple(_lines(points)),
        top=whole_percent(scale.high) if scale.high < 1.0 else "100 %",
        first=_day(drawn[0], stored) if drawn else "",
        last=_day(drawn[-1], stored) if drawn else "",
        described=_described(drawn, stored),
    )


def _earlier(row: Row, stored: Stored) -> Earlier:
    points = [
        f"{title} {row[f'{name}_points']}"
        for name, title in TITLES.items()
        if row[f"{name}_points"] is not None
    ]
    return Earlier(
        uuid=row["uuid"],
        at=shown_time(row["created_at"], stored),
        hook=HOOKS.get(row["hook"], row["hook"]),
        result=_result(row, stored),
        points=", ".join(points) or "-",
        inputs="-" if row["known_inputs"] is None else str(row["known_inputs"]),
        here=row["uuid"] == stored.row["uuid"],
        other_model=row["bundle_digest"] != stored.row["bundle_digest"],
    )


def _result(row: Row, stored: Stored) -> str:
    if row["outcome"] != "scored":
        return f"not scored: {stored.words.reasons.get(row['reason'], row['reason'])}"
    return "points only" if row["probability"] is None else whole_percent(row["probability"])


def _points(drawn: Sequence[Row], scale: Scale, stored: Stored) -> list[Point]:
    if not drawn:
        return []
    times: list[datetime] = [row["created_at"] for row in drawn]
    across = Scale(times[0].timestamp(), times[-1].timestamp())
    return [
        Point(
            left=round(4.0 + 0.92 * across.at(at.timestamp()), 2),
            top=round(_ROOM + (_HEIGHT - _ROOM) * (1.0 - scale.at(row["probability"]) / 100.0), 3),
            label=whole_percent(row["probability"]),
            hollow=row["bundle_digest"] != stored.row["bundle_digest"],
            here=row["uuid"] == stored.row["uuid"],
        )
        for row, at in zip(drawn, times, strict=True)
    ]


def _lines(points: Sequence[Point]) -> list[Line]:
    pairs = pairwise(points)
    return [
        Line(one.left, one.top, other.left, other.top)
        for one, other in pairs
        if one.hollow == other.hollow
    ]


def _day(row: Row, stored: Stored) -> str:
    return shown_time(row["created_at"], stored)[:10]


def _described(drawn: Sequence[Row], stored: Stored) -> str:
    told = [f"{whole_percent(row['probability'])} on {_day(row, stored)}" for row in drawn[-_MOST:]]
    return f"Estimates over time: {', '.join(told)}."
