"""Earlier ED visits, admissions and ICU stays, and the lengths of the present ones."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from fhir_mapping.catalogue import Feature
from fhir_mapping.history import IndexStay, Segment, Visit
from fhir_mapping.readings import MISSING, Context, Evidence, Reading, evidence_of, visit_evidence
from fhir_mapping.stay import happened
from fhir_mapping.windows import Span, span_of

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def ed_visits_in(context: Context, span: Span) -> list[Visit]:
    """ED visits that start in the span, the index one left out, overlapping ones taken as one."""
    index = {visit.id for visit in context.stay.ed_visits}
    visits = [
        visit
        for visit in context.history.visits
        if visit.role == "ed"
        and visit.id not in index
        and visit.part_of != context.stay.visit.id
        and happened(visit)
    ]
    return [visit for visit in _apart(visits) if visit.start and visit.start in span]


def admissions_in(context: Context, span: Span) -> list[Visit]:
    """Hospital stays that start in the span, the index one left out."""
    return [
        visit
        for visit in context.history.visits
        if visit.role == "hospital"
        and visit.id != context.stay.visit.id
        and happened(visit)
        and visit.start
        and visit.start in span
    ]


def visits_ed(context: Context, feature: Feature) -> Reading:
    """Number of earlier ED visits."""
    return _count(context, feature, ed_visits_in)


def visits_hospital(context: Context, feature: Feature) -> Reading:
    """Number of earlier admissions, observation and same-day surgery included."""
    return _count(context, feature, admissions_in)


def visits_icu(context: Context, feature: Feature) -> Reading:
    """Number of ICU stays before the index stay."""
    span = span_of(feature.window, context.stay)
    earlier = [visit for visit in context.history.visits if not _of_index(visit, context.stay)]
    found = [
        (visit, segment)
        for visit in earlier
        if happened(visit)
        for segment in visit.segments
        if segment.start in span
    ]
    if found:
        value = float(len(found))
        return Reading(value, tuple(_icu_evidence(feature, *each, value) for each in found))
    unclear = any(v.unresolved_locations and v.start and v.start in span for v in earlier)
    return MISSING if unclear else context.zero(feature)


def ed_hours(context: Context, feature: Feature) -> Reading:
    """Hours from the start of the index ED visit to departure; 0 without one."""
    stay = context.stay
    if stay.ed_start is None:
        return context.zero(feature)
    if stay.ed_end is None:
        return MISSING
    hours = (stay.ed_end - stay.ed_start) / _HOUR
    if not 0 <= hours <= (feature.high or 0):
        context.notice("implausible", "Encounter", feature)
        return MISSING
    return Reading(
        hours, tuple(visit_evidence(feature, v, hours, "index ED visit") for v in stay.ed_visits)
    )


def los_days(context: Context, feature: Feature) -> Reading:
    """Days from admission to the prediction time, fractional."""
    stay = context.stay
    days = (stay.prediction_time - stay.admission) / _DAY
    if days > (feature.outlier_high or 0):
        context.notice("implausible", "Encounter", feature)
        return MISSING
    if days > (feature.high or 0):
        context.notice("clipped", "Encounter", feature)
        days = feature.high or 0.0
    reason = "admission to discharge" if stay.timing == "at_discharge" else "admission until now"
    return Reading(days, (visit_evidence(feature, stay.visit, days, reason),))


def icu_days(context: Context, feature: Feature) -> Reading:
    """Days in intensive care within the index stay, clipped to it."""
    stay = context.stay
    found = [
        (visit, clipped)
        for visit in context.history.visits
        if _of_index(visit, stay) and (visit.id == stay.visit.id or happened(visit))
        for segment in visit.segments
        for clipped in _clipped(segment, stay)
    ]
    if not found:
        return MISSING if stay.visit.unresolved_locations else context.zero(feature)
    days = _union([clipped for _, clipped in found]) / _DAY
    if days > (feature.high or 0):
        context.notice("clipped", "Encounter", feature)
        days = feature.high or 0.0
    origins = {visit.id: visit for visit, _ in found}
    return Reading(
        days,
        tuple(visit_evidence(feature, v, days, "ICU in this stay") for v in origins.values()),
    )


def _count(
    context: Context, feature: Feature, among: Callable[[Context, Span], list[Visit]]
) -> Reading:
    visits = among(context, span_of(feature.window, context.stay))
    if not visits:
        return context.zero(feature)
    value = float(len(visits))
    return Reading(
        value, tuple(visit_evidence(feature, visit, value, "in the window") for visit in visits)
    )


def _apart(visits: Iterable[Visit]) -> list[Visit]:
    """The first of each run of overlapping visits."""
    kept: list[Visit] = []
    busy_until: datetime | None = None
    for visit in sorted(visits, key=_started):
        end = visit.end.latest if visit.end else _started(visit)[0]
        if busy_until is None or _started(visit)[0] >= busy_until:
            kept.append(visit)
            busy_until = end
        else:
            busy_until = max(busy_until, end)
    return kept


def _started(visit: Visit) -> tuple[datetime, str]:
    assert visit.start is not None  # noqa: S101 - happened() holds for every caller
    return visit.start.earliest, visit.id


def _of_index(visit: Visit, stay: IndexStay) -> bool:
    return visit.id == stay.visit.id or (visit.role == "icu" and visit.part_of == stay.visit.id)


def _clipped(segment: Segment, stay: IndexStay) -> list[tuple[datetime, datetime]]:
    start = max(segment.start.earliest, stay.admission)
    end = min(segment.end.latest if segment.end else stay.prediction_time, stay.prediction_time)
    return [(start, end)] if start < end else []


def _union(periods: list[tuple[datetime, datetime]]) -> timedelta:
    total, busy_until = timedelta(), None
    for start, end in sorted(periods):
        begins = start if busy_until is None else max(start, busy_until)
        total += max(end - begins, timedelta())
        busy_until = end if busy_until is None else max(busy_until, end)
    return total


def _icu_evidence(feature: Feature, visit: Visit, segment: Segment, value: float) -> Evidence:
    reason = "ICU stay in the window"
    return evidence_of(feature, visit.origin, value, reason=reason, time=segment.start)
