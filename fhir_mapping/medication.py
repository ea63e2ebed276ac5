"""Numbers of drugs: given in the ED, and taken at home. Drugs are counted by distinct name."""

from collections.abc import Iterator

from fhir_mapping.catalogue import Feature
from fhir_mapping.history import Event, Origin
from fhir_mapping.readings import MISSING, Context, Reading, evidence_of
from fhir_mapping.windows import Span


def ed_drugs(context: Context, feature: Feature) -> Reading:
    """Distinct drugs dispensed or administered during the index ED visit; 0 without one."""
    stay = context.stay
    if stay.ed_start is None:
        return _no_ed_visit(context, feature)
    span = Span(stay.ed_start, stay.ed_end or stay.prediction_time)
    ids = {visit.id for visit in stay.ed_visits}
    given = [
        event for event in context.history.of("ed_drug") if _given_in_ed(event, ids, span, context)
    ]
    return _distinct(context, feature, given, "given in the ED") or context.zero(feature)


def home_drugs(context: Context, feature: Feature) -> Reading:
    """Distinct home drugs known at T0. Missing unless a list was read: without an ED visit an
    empty answer is no list (METHOD.md)."""
    at_home = list(_at_home(context))
    counted = _distinct(context, feature, at_home, "home medication known at T0")
    if counted:
        return counted
    return context.zero(feature) if context.stay.ed_visits else MISSING


def _no_ed_visit(context: Context, feature: Feature) -> Reading:
    """Without an ED visit no drug was given in one: only the Encounters need to have been read."""
    if context.sources.get("Encounter") != "read":
        return MISSING
    reason = "no ED visit; Encounter read"
    return Reading(0.0, (evidence_of(feature, Origin(""), 0.0, reason=reason),))


def _given_in_ed(event: Event, ids: set[str], span: Span, context: Context) -> bool:
    if event.time and event.time not in span:
        return False
    if event.visit or context.history.ed_drugs_by_visit:
        return event.visit in ids
    return event.time is not None


def _at_home(context: Context) -> Iterator[Event]:
    stay = context.stay
    ids = {visit.id for visit in stay.ed_visits}
    for event in context.history.of("home_drug"):
        if event.time and event.time.by(stay.t0) and event.visit not in ids | {stay.visit.id}:
            yield event
    stays = {visit.id for visit in context.history.visits if visit.role != "other"}
    others = stays - ids - {stay.visit.id}
    for event in context.history.of("home_list"):
        over = event.ended is not None and event.ended.before(stay.t0)
        if event.visit not in others and not over and _known_at_arrival(event, context):
            yield event


def _known_at_arrival(event: Event, context: Context) -> bool:
    """A list asserted during the index ED visit counts as known."""
    stay = context.stay
    if event.time is None:
        return False
    known_by = stay.ed_end or stay.t0
    return event.time.by(min(known_by, stay.prediction_time))


def _distinct(
    context: Context, feature: Feature, events: list[Event], reason: str
) -> Reading | None:
    if not events:
        return None
    by_name = {event.name: event for event in sorted(events, key=lambda e: e.origin.reference)}
    value = float(len(by_name))
    if feature.high is not None and value > feature.high:
        context.notice("clipped", "Medication", feature)
        value = feature.high
    return Reading(
        value,
        tuple(
            evidence_of(feature, e.origin, value, reason=reason, time=e.time, received=name)
            for name, e in sorted(by_name.items())
        ),
    )
