"""Who is scored, and who came back: one rule each, for cohorts and for serving.

`readmission_30d` is an unplanned acute inpatient admission starting > 0 and <= 30 d after
discharge. CMS's planned-readmission algorithm is not implemented: planned means elective.
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
    discharge to another acute hospital, or at most `same_stay` after any other.
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

    `age_unknown under_18 newborn observation_stay deceased hospice transferred against_advice`.
    Adult, inpatient, alive, not transferred to another acute hospital, not against advice, not
    hospice. A disposition already recorded before discharge counts.
    """
    return _person_reason(history, stay) or _stay_reason(stay, rules)


def readmitted(
    visits: Sequence[Visit], index: Visit, follow_up_until: datetime, rules: Rules = DEFAULT
) -> Readmission | None:
    """Whether the patient was back within 30 days of the end of `index`.

    None where there is no label: no discharge time, a death in hospital, or a follow-up that ends
    before the 30 days do. ED visits are no readmission.
    """
    if index.end is None or index.disposition == "died":
        return None
    discharge = index.end.latest
    if discharge + _WITHIN > follow_up_until:
        return None
    following = _next_stay(visits, index, discharge, rules)
    return _label(following, discharge, rules)


def _person_reason(history: PatientHistory, stay: IndexStay) -> str | None:
    person = history.person
    if stay.visit.newborn:
        return "newborn"
    if person.birth is None:
        return "age_unknown"
    if age_at(person.birth, stay.t0, history.zone) < ADULT:
        return "under_18"
    died = person.deceased_on
    if (died and died.by(stay.prediction_time)) or (person.deceased and died is None):
        return "deceased"
    return None


def _stay_reason(stay: IndexStay, rules: Rules) -> str | None:
    if stay.visit.hospice:
        return "hospice"
    if stay.visit.admission_type == "observation" and not rules.observation_is_stay:
        return "observation_stay"
    return _BY_DISPOSITION.get(stay.visit.disposition)


def _next_stay(
    visits: Iterable[Visit], index: Visit, discharge: datetime, rules: Rules
) -> Visit | None:
    """The first later stay that is not a part of this one."""
    end, disposition = discharge, index.disposition
    stays = [visit for visit in visits if _is_stay(visit, rules)]
    for visit in sorted(stays, key=_start):
        if visit.id == index.id or _start(visit) < discharge:
            continue
        if _same_stay(_start(visit) - end, disposition, rules):
            end = visit.end.latest if visit.end else _start(visit)
            disposition = visit.disposition
            continue
        return visit
    return None


def _is_stay(visit: Visit, rules: Rules) -> bool:
    counts = rules.observation_is_stay or visit.admission_type != "observation"
    return visit.role == "hospital" and happened(visit) and counts


def _same_stay(gap: timedelta, disposition: str, rules: Rules) -> bool:
    limit = rules.same_stay_transfer if disposition == "acute_hospital" else rules.same_stay
    return limit is not None and gap <= limit


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
