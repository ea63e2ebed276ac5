"""Critical outcomes of adult ED visits: which visits count, their clock and their label.

For training alone. The label: death in hospital in the stay that the visit led to, or intensive
care begun at most 12 h after ED departure (METHOD.md, Labels).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from fhir_mapping.demographics import age_at
from fhir_mapping.history import IndexStay, PatientHistory, Visit
from fhir_mapping.outcomes import ADULT
from fhir_mapping.stay import happened, index_stay

Variant = Literal["triage", "ed_departure"]
_TRIAGE = timedelta(hours=1)
_INTENSIVE_CARE_WITHIN = timedelta(hours=12)


@dataclass(frozen=True)
class CriticalOutcome:
    """The two halves of the label, and the clock that the visit's vector is extracted with."""

    stay: IndexStay
    died_in_hospital: bool
    intensive_care_12h: bool

    @property
    def critical(self) -> bool:
        """The label."""
        return self.died_in_hospital or self.intensive_care_12h


@dataclass(frozen=True)
class NoOutcome:
    """Why an ED visit is left out."""

    reason: str


def critical_outcome(
    history: PatientHistory, visit: Visit, variant: Variant, follow_up_until: datetime
) -> CriticalOutcome | NoOutcome:
    """The clock and label of an ED visit, or NoOutcome: `visit_cancelled not_finished
    departure_before_arrival age_unknown under_18 follow_up_too_short in_icu_already
    stay_not_finished`.

    `triage` predicts 1 h after arrival, or at departure where that is earlier; `ed_departure` at
    departure. Overlapping ED visits are not merged: each is asked for by itself.
    """
    reason = _left_out(history, visit, follow_up_until)
    if reason or visit.start is None or visit.end is None:
        return NoOutcome(reason or "not_finished")
    arrival, departure = visit.start.earliest, visit.end.latest
    at_triage = min(arrival + _TRIAGE, departure)
    index = _index(history, visit, at_triage if variant == "triage" else departure)
    icu = _intensive_care_since(history.visits, arrival)
    if icu and icu < index.prediction_time:
        return NoOutcome("in_icu_already")
    led_to = _led_to(history, visit, follow_up_until)
    soon = icu is not None and icu <= departure + _INTENSIVE_CARE_WITHIN
    if led_to and led_to.status != "finished" and not soon:
        return NoOutcome("stay_not_finished")
    died = led_to is not None and led_to.disposition == "died"
    return CriticalOutcome(index, died_in_hospital=died, intensive_care_12h=soon)


def _left_out(history: PatientHistory, visit: Visit, follow_up_until: datetime) -> str | None:
    if not happened(visit) or visit.start is None:
        return "visit_cancelled"
    if visit.status != "finished" or visit.end is None:
        return "not_finished"
    if visit.end.latest < visit.start.earliest:
        return "departure_before_arrival"
    birth = history.person.birth
    if birth is None:
        return "age_unknown"
    if age_at(birth, visit.start.earliest, history.zone) < ADULT:
        return "under_18"
    too_late = visit.end.latest + _INTENSIVE_CARE_WITHIN > follow_up_until
    return "follow_up_too_short" if too_late else None


def _index(history: PatientHistory, visit: Visit, prediction_time: datetime) -> IndexStay:
    """The ED visit in the place of a stay: T0 is the arrival, and it is its own ED visit."""
    assert visit.start is not None  # noqa: S101 - _left_out() saw to it
    assert visit.end is not None  # noqa: S101 - likewise
    arrival, departure = visit.start.earliest, visit.end.latest
    return IndexStay(
        visit=visit,
        admission=arrival,
        prediction_time=prediction_time,
        timing="before_discharge",
        t0=arrival,
        ed_visits=(visit,),
        ed_start=arrival,
        ed_end=departure if departure <= prediction_time else None,
        zone=history.zone,
    )


def _intensive_care_since(visits: Iterable[Visit], arrival: datetime) -> datetime | None:
    starts = (
        segment.start.earliest
        for visit in visits
        if visit.role in ("icu", "hospital") and happened(visit)
        for segment in visit.segments
    )
    return min((start for start in starts if start >= arrival), default=None)


def _led_to(history: PatientHistory, visit: Visit, now: datetime) -> Visit | None:
    """The hospital stay whose index ED visit this is."""
    for other in sorted(history.visits, key=lambda each: each.id):
        if other.role == "hospital" and happened(other):
            stay = index_stay(history, other.id, now)
            if isinstance(stay, IndexStay) and visit in stay.ed_visits:
                return other
    return None
