"""Who the patient is and how this stay began and ended: the features read off single elements."""

from datetime import date, datetime, tzinfo

from fhir_mapping.catalogue import Feature
from fhir_mapping.payers import PRECEDENCE
from fhir_mapping.readings import (
    MISSING,
    Context,
    Reading,
    evidence_of,
    nothing_found,
    visit_evidence,
)


def age_at(birth: date, moment: datetime, zone: tzinfo) -> int:
    """Completed years at a moment, by the calendar of the zone. Age has this one home."""
    today = moment.astimezone(zone).date()
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def age(context: Context, feature: Feature) -> Reading:
    """Completed years at T0. A partial birth date gives the years that are certain."""
    person = context.history.person
    if person.birth is None:
        return MISSING
    years = float(age_at(person.birth, context.stay.t0, context.history.zone))
    if not 0 <= years <= (feature.high or 0):
        context.notice("implausible", "Patient", feature)
        return MISSING
    if person.birth_partial:
        context.notice("birth_date_partial", "Patient", feature)
    return Reading(
        years, (evidence_of(feature, person.origin, years, reason="completed years at T0"),)
    )


def sex(context: Context, feature: Feature) -> Reading:
    """Administrative sex; the US Core birth sex where that is unknown."""
    return _of_person(context, feature, context.history.person.sex)


def ethnicity(context: Context, feature: Feature) -> Reading:
    """One level; Hispanic takes precedence over race."""
    return _of_person(context, feature, context.history.person.ethnicity)


def arrival_transport(context: Context, feature: Feature) -> Reading:
    """How the patient came to the index ED visit."""
    stated = [visit for visit in context.stay.ed_visits if visit.arrival != "unknown"]
    if not stated:
        return context.level(feature, "unknown")
    visit = stated[0]
    evidence = visit_evidence(feature, visit, visit.arrival, "index ED visit")
    return context.level(feature, visit.arrival, (evidence,))


def payer(context: Context, feature: Feature) -> Reading:
    """The payer active at T0; of several, the first in the order of precedence."""
    t0 = context.stay.t0
    active = [
        event
        for event in context.history.of("payer")
        if (event.time is None or event.time.by(t0))
        and (event.ended is None or event.ended.since(t0))
    ]
    if not active:
        return context.level(feature, "unknown")
    chosen = min(active, key=lambda e: (PRECEDENCE.index(str(e.value)), e.origin.reference))
    level = str(chosen.value)
    evidence = evidence_of(
        feature, chosen.origin, level, reason="active at T0", time=chosen.time, received=level
    )
    return context.level(feature, level, (evidence,))


def admission_type(context: Context, feature: Feature) -> Reading:
    """As the encounter says; where it says nothing, emergency if an ED visit led into the stay."""
    visit = context.stay.visit
    level, reason = visit.admission_type, "priority, class and source of the stay"
    if level == "unknown" and context.stay.ed_visits:
        level, reason = "emergency", "an ED visit led into the stay"
    return context.level(feature, level, (visit_evidence(feature, visit, level, reason),))


def discharge_location(context: Context, feature: Feature) -> Reading:
    """Where to; missing while the stay is not over."""
    if context.stay.timing == "before_discharge":
        return MISSING
    visit = context.stay.visit
    reason = "disposition of the stay"
    evidence = visit_evidence(feature, visit, visit.disposition, reason)
    return Reading(visit.disposition, (evidence,))


def oncology_service(context: Context, feature: Feature) -> Reading:
    """Whether the stay's service is oncology; missing where no service is named."""
    visit = context.stay.visit
    if visit.oncology is None:
        return MISSING
    value = float(visit.oncology)
    return Reading(value, (visit_evidence(feature, visit, value, "service of the stay"),))


def procedure(context: Context, feature: Feature) -> Reading:
    """Any procedure of the stay, before the prediction time, on the site's list.

    Where some procedure of the stay is in no listed code system, a zero would be a guess.
    """
    stay = context.stay
    done = [
        event
        for event in context.history.of("procedure")
        if event.visit == stay.visit.id
        or (not event.visit and event.time and event.time.since(stay.admission))
    ]
    known = [event for event in done if event.time and event.time.by(stay.prediction_time)]
    listed = sorted(
        (e for e in known if "procedure_any" in e.features), key=lambda e: e.origin.reference
    )
    if listed:
        first = listed[0]
        reason = f"on the site's list; {len(listed)} in this stay"
        evidence = evidence_of(
            feature, first.origin, 1.0, reason=reason, time=first.time, received=str(first.value)
        )
        return Reading(1.0, (evidence,))
    if any(not event.features for event in known):
        context.notice("procedure_codes_not_listed", "Procedure", feature)
        return MISSING
    return context.zero(feature)


def _of_person(context: Context, feature: Feature, level: str) -> Reading:
    origin = context.history.person.origin
    if level == "unknown":
        return context.level(feature, level, (nothing_found(feature, level),))
    evidence = evidence_of(feature, origin, level, reason="as stated", received=level)
    return context.level(feature, level, (evidence,))
