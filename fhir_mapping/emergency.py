"""The ED visit to be scored: which one, as of when, and whether its patient is in the population.

One definition for training and for serving; what became of the visit is critical.py's business.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Literal

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.history import IndexStay, NoStay, PatientHistory, Visit
from fhir_mapping.outcomes import died_by, not_adult
from fhir_mapping.stay import DEAD_STATUS, happened, noticed

Variant = Literal["triage", "ed_departure"]
_TRIAGE = timedelta(hours=1)
_LONGEST = timedelta(hours=CATALOGUE["ed_los_hours"].high or 0)
_KNOWN: dict[Variant, tuple[str, ...]] = {
    "triage": ("yes",),
    "ed_departure": ("yes", "ed_departure"),
}


def features_known_at(variant: Variant) -> tuple[str, ...]:
    """The features known at the variant's prediction time: 87 at triage, 96 at departure."""
    return tuple(each.name for each in CATALOGUE if each.critical_outcome in _KNOWN[variant])


def ed_stay(
    history: PatientHistory, encounter_id: str, now: datetime, *, variant: Variant
) -> IndexStay | NoStay:
    """The ED visit `encounter_id` as an index stay: see `ed_index`; or `encounter_unknown`."""
    visit = next((each for each in history.visits if each.id == encounter_id), None)
    if visit is None:
        return NoStay("encounter_unknown")
    return ed_index(history, visit, now, variant=variant)


def ed_index(
    history: PatientHistory, visit: Visit, now: datetime, *, variant: Variant
) -> IndexStay | NoStay:
    """The ED visit in the place of a stay: T0 is the arrival, and it is its own ED visit.

    `triage` predicts 1 h after arrival, `ed_departure` at departure; neither later than the
    departure or `now`. While the patient is there `ed_departure` takes the ED to be left now.
    Overlapping visits are not merged: each is asked for by itself. NoStay: `encounter_cancelled
    not_emergency not_arrived_yet arrival_time_unknown departure_time_unknown
    departure_before_arrival ed_visit_too_long`.
    """
    refusal = _refusal(visit, now)
    if refusal or visit.start is None:
        return NoStay(refusal or "arrival_time_unknown")
    arrival, finished = visit.start.earliest, visit.status == "finished"
    departure = visit.end.latest if finished and visit.end else None
    last = min(now, departure) if departure else now
    clock = min(last, arrival + _TRIAGE) if variant == "triage" else last
    left = variant == "ed_departure" or (departure is not None and departure <= clock)
    zone = history.zone if visit.start.offset is None else timezone(visit.start.offset)
    return IndexStay(
        visit=visit,
        admission=arrival,
        prediction_time=clock,
        timing="before_discharge",
        t0=arrival,
        ed_visits=(visit,),
        ed_start=arrival,
        ed_end=clock if left else None,
        zone=zone,
        issues=tuple(noticed(visit, finished, now)),
    )


def ed_eligible(history: PatientHistory, index: IndexStay, now: datetime) -> str | None:
    """None where the visit is in the population, else `age_unknown under_18 deceased
    in_icu_already`.

    Of a visit in progress what is known `now` counts; one that is over is taken as of its clock.
    """
    as_of = index.prediction_time if index.visit.status == "finished" else now
    reason = not_adult(history, index.t0)
    if reason:
        return reason
    if index.visit.disposition == "died" or died_by(history, as_of):
        return "deceased"
    return "in_icu_already" if in_intensive_care(history, index, as_of) else None


def in_intensive_care(history: PatientHistory, index: IndexStay, as_of: datetime) -> bool:
    """Whether intensive care began between arrival and `as_of`."""
    start = intensive_care_since(history.visits, index.t0)
    return start is not None and start < as_of


def intensive_care_since(visits: Iterable[Visit], arrival: datetime) -> datetime | None:
    """The first start of intensive care at or after `arrival`."""
    starts = (
        segment.start.earliest
        for visit in visits
        if visit.role in ("icu", "hospital") and happened(visit)
        for segment in visit.segments
    )
    return min((start for start in starts if start >= arrival), default=None)


def _refusal(visit: Visit, now: datetime) -> str | None:
    if visit.status in DEAD_STATUS:
        return "encounter_cancelled"
    if visit.role != "ed":
        return "not_emergency"
    if visit.status == "planned":
        return "not_arrived_yet"
    if visit.start is None:
        return "arrival_time_unknown"
    return _impossible(visit, visit.start.earliest, now)


def _impossible(visit: Visit, arrival: datetime, now: datetime) -> str | None:
    if visit.status != "finished":
        too_long = now - arrival > _LONGEST
        return "not_arrived_yet" if now < arrival else "ed_visit_too_long" if too_long else None
    if visit.end is None:
        return "departure_time_unknown"
    if visit.end.latest < arrival:
        return "departure_before_arrival"
    return "not_arrived_yet" if now < arrival else None
