"""Comorbidity flags: which diagnoses are history, and which were known by when.

History is `[T0 - 1825 d, T0)`: coded diagnoses of earlier hospital stays by discharge date, and
problems recorded (else begun) before T0 that were active then - however old: an active problem
reaches into the window. Diagnoses of ED visits and of the index stay are not history.
"""

from collections.abc import Iterator

from fhir_mapping.catalogue import Feature
from fhir_mapping.history import Event
from fhir_mapping.readings import MISSING, Context, Diagnosis, Reading, evidence_of
from fhir_mapping.stay import happened
from fhir_mapping.when import exactly
from fhir_mapping.windows import Span, span_of


def diagnosed(context: Context, feature: Feature) -> Reading:
    """1 where some diagnosis in the window carries the comorbidity."""
    proofs = [
        d for d in past_diagnoses(context, feature.window) if feature.name in d.event.features
    ]
    if not proofs:
        return MISSING if _undecided(context, feature) else context.zero(feature)
    chosen = max(proofs, key=_newest)
    return Reading(
        1.0,
        (
            evidence_of(
                feature,
                chosen.event.origin,
                1.0,
                time=chosen.time,
                received=str(chosen.event.value or ""),
                reason=f"{chosen.reason}; latest of {len(proofs)}",
            ),
        ),
    )


def _undecided(context: Context, feature: Feature) -> bool:
    """An active problem of which nobody says since when: neither a proof nor an absence."""
    return any(
        each.time is None and feature.name in each.features and _active(each, context)
        for each in context.history.of("problem")
    )


def past_diagnoses(context: Context, window: str) -> tuple[Diagnosis, ...]:
    """Every diagnosis that is history in the window; walked once for all 48 flags."""
    if window not in context.past_diagnoses:
        span = span_of(window, context.stay)
        found = (*_problems(context, span), *_discharge_diagnoses(context, span))
        context.past_diagnoses[window] = found
    return context.past_diagnoses[window]


def index_diagnoses(context: Context) -> tuple[Diagnosis, ...]:
    """Diagnoses of the index stay recorded by the prediction time, and problems active by then."""
    stay = context.stay
    ids = {stay.visit.id, *(visit.id for visit in stay.ed_visits)}
    over = stay.timing == "at_discharge"  # else an end is an estimate
    undated = (stay.visit.end if over else None) or exactly(stay.prediction_time)
    found = [
        Diagnosis(event, event.time or undated, "diagnosis of this stay")
        for event in context.history.of("diagnosis")
        if event.visit in ids
    ]
    found += [
        Diagnosis(event, event.time, "active problem")
        for event in context.history.of("problem")
        if event.time and _active(event, context)
    ]
    return tuple(each for each in found if each.time.by(stay.prediction_time))


def _problems(context: Context, span: Span) -> Iterator[Diagnosis]:
    for event in _problem_events(context):
        if event.time and event.time.before(span.end) and _active(event, context):
            yield Diagnosis(event, event.time, "active problem")


def _problem_events(context: Context) -> Iterator[Event]:
    yield from context.history.of("problem")
    if context.history.outpatient_diagnoses:
        roles = {visit.id: visit.role for visit in context.history.visits}
        yield from (
            event
            for event in context.history.of("diagnosis")
            if roles.get(event.visit, "other") == "other"
        )


def _active(event: Event, context: Context) -> bool:
    """Active at T0: by its end where that is known, else by its status."""
    return event.ended.since(context.stay.t0) if event.ended else event.current


def _discharge_diagnoses(context: Context, span: Span) -> Iterator[Diagnosis]:
    visits = {visit.id: visit for visit in context.history.visits}
    for event in context.history.of("diagnosis"):
        visit = visits.get(event.visit)
        if visit is None:
            context.notice("diagnosis_without_visit", "Condition")
        elif visit.role == "hospital" and visit.id != context.stay.visit.id and happened(visit):
            known = event.time is None or event.time.by(context.stay.prediction_time)
            if known and visit.end and visit.end in span:
                yield Diagnosis(event, visit.end, "diagnosis of an earlier stay")


def _newest(diagnosis: Diagnosis) -> tuple[object, ...]:
    return (diagnosis.time.latest, diagnosis.event.origin.reference)
