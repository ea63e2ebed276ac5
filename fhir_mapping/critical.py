"""Critical outcomes of adult ED visits: which visits count, and their label.

For training alone. The label: death in hospital in the stay that the visit led to, or intensive
care begun at most 12 h after ED departure (METHOD.md, Labels).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_mapping.emergency import Variant, ed_index, in_intensive_care, intensive_care_since
from fhir_mapping.history import IndexStay, NoStay, PatientHistory, Visit
from fhir_mapping.outcomes import not_adult
from fhir_mapping.stay import happened, index_stay

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
    stay_not_finished`. The index and its clock are emergency.py's, as in the service.
    """
    if not happened(visit):
        return NoOutcome("visit_cancelled")
    if visit.status != "finished" or visit.end is None:
        return NoOutcome("not_finished")
    departure = visit.end.latest
    index = ed_index(history, visit, departure, variant=variant)
    if isinstance(index, NoStay):
        return NoOutcome(index.reason)
    unseen = departure + _INTENSIVE_CARE_WITHIN > follow_up_until
    reason = _left_out(history, index, unseen)
    return NoOutcome(reason) if reason else _labelled(history, index, departure, follow_up_until)


def _left_out(history: PatientHistory, index: IndexStay, unseen: bool) -> str | None:
    reason = not_adult(history, index.t0) or ("follow_up_too_short" if unseen else None)
    if reason:
        return reason
    already = in_intensive_care(history, index, index.prediction_time)
    return "in_icu_already" if already else None


def _labelled(
    history: PatientHistory, index: IndexStay, departure: datetime, follow_up_until: datetime
) -> CriticalOutcome | NoOutcome:
    icu = intensive_care_since(history.visits, index.t0)
    led_to = _led_to(history, index.visit, follow_up_until)
    soon = icu is not None and icu <= departure + _INTENSIVE_CARE_WITHIN
    if led_to and led_to.status != "finished" and not soon:
        return NoOutcome("stay_not_finished")
    died = led_to is not None and led_to.disposition == "died"
    return CriticalOutcome(index, died_in_hospital=died, intensive_care_12h=soon)


def _led_to(history: PatientHistory, visit: Visit, now: datetime) -> Visit | None:
    """The hospital stay whose index ED visit this is."""
    for other in sorted(history.visits, key=lambda each: each.id):
        if other.role == "hospital" and happened(other):
            stay = index_stay(history, other.id, now)
            if isinstance(stay, IndexStay) and visit in stay.ed_visits:
                return other
    return None
