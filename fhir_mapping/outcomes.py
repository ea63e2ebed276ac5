"""Who is scored, and who came back: one rule each, for cohorts and for serving.

`readmission_30d` is an unplanned acute inpatient admission starting > 0 and <= 30 d after
discharge. CMS's planned-readmission algorithm is not implemented: planned means elective. Of
several stays the first decides, as in CMS's measure: an emergency after an elective stay is that
stay's readmission.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhir_mapping.demographics import age_at
from fhir_mapping.history import IndexStay, PatientHistory, Visit
from fhir_mapping.stay import happened

ADULT = 18
_BY_DISPOSITION = {
    "died": "deceased",
    "hospice": "hospice",
    "acute_hospital": "transferred",
    "ama": "against_advice",
}
_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class Rules:
    """The switches of the label; the defaults are ours (METHOD.md, Labels).

    A next stay belongs to the same stay where it starts at most `same_stay_transfer` after a
    discharge, if that or the next stay's source says transfer; else at most `same_stay` after it.
    None: never.
    """

    observation_is_stay: bool = False
    planned: frozenset[str] = frozenset(("elective",))
    same_stay: timedelta | None = timedelta(hours=1)
    same_stay_transfer: timedelta | None = timedelta(hours=24)


DEFAULT = Rules()


@dataclass(frozen=True)
class Readmission:
    """The label of one discharge. `planned_unknown`: the next stay's type is not stated."""

    unplanned: bool
    all_cause: bool
    next_visit: str | None
    planned_unknown: bool = False


def eligible(history: PatientHistory, stay: IndexStay, rules: Rules = DEFAULT) -> str | None:
    """None where the stay is in the population, else the reason why it is not.

    `age_unknown under_18 newborn observation_stay not_acute deceased hospice transferred
    against_advice`.
    Adult, inpatient, alive, not transferred to another acute hospital, not against advice, not
    hospice. A disposition already recorded before discharge counts.
    """
    return _person_reason(history, stay) or _stay_reason(stay, rules)


def readmitted(
    visits: Sequence[Visit], index: Visit, follow_up_until: datetime, rules: Rules = DEFAULT
) -> Readmission | None:
    """Whether the patient was back within 30 days of the end of the stay that `index` belongs to.

    Parts that continue the stay are one with it: the 30 days begin when the last of them ends.
    None where there is no label: no discharge time, a death in hospital, or a follow-up that ends
    before the 30 days do. ED visits are no readmission.
    """
    last, later = whole_stay(visits, index, rules)
    if last.end is None or "died" in (index.disposition, last.disposition):
        return None
    discharge = last.end.latest
    if discharge + _WITHIN > follow_up_until:
        return None
    return _label(later[0] if later else None, discharge, rules)


def whole_stay(
    visits: Iterable[Visit], index: Visit, rules: Rules = DEFAULT
) -> tuple[Visit, Sequence[Visit]]:
    """The part that the stay of `index` ends with, and the stays after it in order."""
    later = [each for each in visits if _is_stay(each, rules) and _follows(each, index)]
    later.sort(key=_start)
    last = index
    while later and _continues(later[0], last, rules):
        last = _ending_later(last, later.pop(0))
    return last, later


def died_within_30d(history: PatientHistory, discharge: datetime) -> bool | None:
    """Whether the patient was dead 30 days after discharge, by date; None where it is not known
    when."""
    if history.person.deceased and history.person.deceased_on is None:
        return None
    return died_by(history, discharge + _WITHIN)


def not_adult(history: PatientHistory, moment: datetime) -> str | None:
    """`age_unknown` or `under_18` at a moment; None for an adult."""
    birth = history.person.birth
    if birth is None:
        return "age_unknown"
    return "under_18" if age_at(birth, moment, history.zone) < ADULT else None


def died_by(history: PatientHistory, moment: datetime) -> bool:
    """By date: many systems keep only the day of a death, or write its last second."""
    person, zone = history.person, history.zone
    if person.deceased_on is None:
        return person.deceased
    return person.deceased_on.earliest.astimezone(zone).date() <= moment.astimezone(zone).date()


def _person_reason(history: PatientHistory, stay: IndexStay) -> str | None:
    if stay.visit.newborn:
        return "newborn"
    reason = not_adult(history, stay.t0)
    if reason:
        return reason
    return "deceased" if died_by(history, stay.prediction_time) else None


def _stay_reason(stay: IndexStay, rules: Rules) -> str | None:
    if stay.visit.hospice:
        return "hospice"
    if not stay.visit.acute:
        return "not_acute"
    if stay.visit.admission_type == "observation" and not rules.observation_is_stay:
        return "observation_stay"
    return _BY_DISPOSITION.get(stay.visit.disposition)


def _follows(visit: Visit, index: Visit) -> bool:
    gap = _gap(index, visit)
    return visit.id != index.id and gap is not None and gap >= timedelta()


def _gap(last: Visit, visit: Visit) -> timedelta | None:
    """From one stay's end to the other's start; by date where only the days are known."""
    if last.end is None or visit.start is None:
        return None
    by_date = last.end.dated and visit.start.dated
    return visit.start.earliest - (last.end.earliest if by_date else last.end.latest)


def _is_stay(visit: Visit, rules: Rules) -> bool:
    counts = rules.observation_is_stay or visit.admission_type != "observation"
    return visit.role == "hospital" and visit.acute and happened(visit) and counts


def _continues(visit: Visit, last: Visit, rules: Rules) -> bool:
    transfer = last.disposition == "acute_hospital" or visit.transferred_in
    limit = rules.same_stay_transfer if transfer else rules.same_stay
    gap = _gap(last, visit)
    return limit is not None and gap is not None and gap <= limit


def _ending_later(one: Visit, other: Visit) -> Visit:
    """Of two parts; one that is not over ends last."""
    if one.end is None or other.end is None:
        return one if one.end is None else other
    return one if one.end.latest > other.end.latest else other


def _label(following: Visit | None, discharge: datetime, rules: Rules) -> Readmission:
    if following is None or _start(following) - discharge > _WITHIN:
        return Readmission(unplanned=False, all_cause=False, next_visit=None)
    kind = following.admission_type
    return Readmission(
        unplanned=kind not in rules.planned,
        all_cause=True,
        next_visit=following.id,
        planned_unknown=kind == "unknown",
    )


def _start(visit: Visit) -> datetime:
    assert visit.start is not None  # noqa: S101 - happened() holds for every caller
    return visit.start.earliest
