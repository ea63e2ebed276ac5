"""The list of a day: who comes first, who stands apart and why, how far the team's capacity reaches. Pure.

Ranks are those of the whole day, whatever is shown of it: a filter moves nobody up.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from math import floor
from typing import Any, Final

from cds_service.hooks.points import TITLES
from cds_service.hooks.said import SCORES
from cds_service.hooks.task_wording import TaskWording
from cds_service.hooks.wording import whole_percent
from cds_service.smart.worklist.stays import Stay
from cds_service.storage.listings import StayOfDay
from model.bundle import Bundle

STILL_COUNTS: Final = frozenset(("below_coverage_floor", "score_inputs_missing"))
"""A later call that read too little does not take back what an earlier one saw. One that found the
patient outside of the population does: who has died is on no list."""
NOT_READ: Final = "not read"
STATES: Final[Mapping[str, str]] = {
    "in-progress": "in hospital",
    "onleave": "on leave",
    "finished": "discharged",
    "cancelled": "cancelled",
    "entered-in-error": "entered in error",
}


@dataclass(frozen=True)
class Entry:
    """A line. `rank` None: it stands apart, and `remark` says why. `name` None: not read."""

    rank: int | None
    patient_id: str
    encounter_id: str
    name: str | None
    born: str | None
    unit: str | None
    bed: str | None
    state: str
    risk: str | None
    points: tuple[str, ...]
    probability: float | None
    warned: bool
    made_at: datetime
    remark: str | None


@dataclass(frozen=True)
class Worklist:
    """`capacity` None: the site has set none. `units`: all of the day's, for the filter."""

    ranked: tuple[Entry, ...]
    apart: tuple[Entry, ...]
    units: tuple[str, ...]
    capacity: int | None
    total: int
    unread: int

    @property
    def within(self) -> tuple[Entry, ...]:
        """Those shown that the capacity reaches; all where there is none."""
        return tuple(each for each in self.ranked if self._reaches(each))

    @property
    def beyond(self) -> tuple[Entry, ...]:
        """Those shown after the line."""
        return tuple(each for each in self.ranked if not self._reaches(each))

    def _reaches(self, entry: Entry) -> bool:
        return self.capacity is None or (entry.rank or 0) <= self.capacity


@dataclass(frozen=True)
class Reading:
    """How rows become words: whose service it is, and by which clock."""

    bundle: Bundle
    wording: TaskWording
    zone: tzinfo


def worklist(
    stays: Iterable[StayOfDay],
    found: Mapping[str, Stay],
    reading: Reading,
    *,
    per_day: float | None,
    unit: str = "",
) -> Worklist:
    """Of these stays, ranked as they come. `found`: what the FHIR server says now, by id of the
    stay; `unit`: show that one only."""
    entries = _entries(stays, found, reading)
    shown = [each for each in entries if unit in ("", each.unit)]
    return Worklist(
        ranked=tuple(each for each in shown if each.rank is not None),
        apart=tuple(each for each in shown if each.rank is None),
        units=tuple(sorted({each.unit for each in entries if each.unit})),
        capacity=None if per_day is None else floor(per_day),
        total=len(entries),
        unread=sum(each.encounter_id not in found for each in entries),
    )


def _entries(
    stays: Iterable[StayOfDay], found: Mapping[str, Stay], reading: Reading
) -> Sequence[Entry]:
    entries, rank = [], 0
    for each in stays:
        counts = _counts(each)
        rank += counts
        stay = found.get(each.newest["encounter_id"])
        entries.append(_entry(each, stay, reading, rank=rank if counts else None))
    return entries


def _counts(stay: StayOfDay) -> bool:
    newest = stay.newest
    return stay.scored is not None and (
        newest["outcome"] == "scored" or newest["reason"] in STILL_COUNTS
    )


def _entry(each: StayOfDay, stay: Stay | None, reading: Reading, *, rank: int | None) -> Entry:
    row = each.scored or each.newest
    scored = each.scored is not None
    return Entry(
        rank=rank,
        patient_id=row["patient_id"],
        encounter_id=row["encounter_id"],
        name=stay.name if stay else None,
        born=stay.born if stay else None,
        unit=stay.unit if stay else None,
        bed=stay.bed if stay else None,
        state=_state(stay, row),
        risk=_risk(row) if scored else None,
        points=tuple(_points(row, reading.bundle)) if scored else (),
        probability=row["probability"],
        warned=scored and bool(row["alerted"]),
        made_at=row["created_at"].astimezone(reading.zone),
        remark=_remark(each, reading),
    )


def _state(stay: Stay | None, row: Mapping[str, Any]) -> str:
    if stay is None or stay.status is None:
        made = "at discharge" if row["timing"] == "at_discharge" else "before discharge"
        return f"{NOT_READ}; assessed {made}"
    return STATES.get(stay.status, stay.status)


def _risk(row: Mapping[str, Any]) -> str | None:
    return None if row["probability"] is None else whole_percent(row["probability"])


def _points(row: Mapping[str, Any], bundle: Bundle) -> Iterable[str]:
    """With the class that the bundle reads in them, where it is the one that counted them."""
    same = row["bundle_digest"] == bundle.digest
    for name in SCORES:
        points = row[f"{name}_points"]
        if points is not None:
            label = f" ({bundle.published[name].read(points).label})" if same else ""
            yield f"{TITLES[name]} {points}{label}"


def _remark(each: StayOfDay, reading: Reading) -> str | None:
    newest = each.newest
    if newest["outcome"] == "scored":
        return None
    words = reading.wording.reasons.get(newest["reason"], newest["reason"])
    if each.scored is None:
        return f"Not scored: {words}."
    at = newest["created_at"].astimezone(reading.zone)
    return f"Not scored at {at:%H:%M}: {words}. The estimate is from before."
