"""Measured values: which are usable, in which unit, and the first or last of them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import msgspec

from fhir_mapping.catalogue import Feature
from fhir_mapping.codelists import ESI_ANSWERS
from fhir_mapping.history import Event, Visit
from fhir_mapping.readings import (
    MISSING,
    STAY_VITALS,
    Context,
    Evidence,
    Reading,
    evidence_of,
)
from fhir_mapping.stay import happened
from fhir_mapping.units import Conversion, conversion
from fhir_mapping.when import When, sortable
from fhir_mapping.windows import Span, span_of

_FIRST = re.compile(r"(\d+(?:\.\d+)?)(?:\s*-\s*(\d+(?:\.\d+)?))?")
_LONGEST_WORDS = 200
_MOST_UNITS = 30
_LEVEL = re.compile(r"\W*(?:(?:esi|triage|acuity|level)\W*)*(?=\d)", re.IGNORECASE)
_CELSIUS_LIKE = (25.0, 46.0)
_ROWS = {"triage": ("", "triage"), "ed_last": ("", "serial")}


class _Usable(msgspec.Struct, frozen=True, gc=False):
    event: Event
    time: When
    value: float


def first(context: Context, feature: Feature) -> Reading:
    """The earliest usable value in the window; of two at one time, the later issued."""
    usable = _usable_values(context, feature)
    if not usable or not _all_read(context, feature):
        return MISSING
    earliest = min(each.time.earliest for each in usable)
    chosen = max((u for u in usable if u.time.earliest == earliest), key=_newest)
    return Reading(chosen.value, (_evidence(feature, chosen, "first", len(usable)),))


def last(context: Context, feature: Feature) -> Reading:
    """The latest usable value in the window; ties by issued, last update, id."""
    usable = _usable_values(context, feature)
    if not usable or (_of_two_pages(context, feature) and not _all_read(context, feature)):
        return MISSING
    latest = max(each.time.earliest for each in usable)
    chosen = max((u for u in usable if u.time.earliest == latest), key=_newest)
    return Reading(chosen.value, (_evidence(feature, chosen, "last", len(usable)),))


def _newest(usable: _Usable) -> tuple[object, ...]:
    event = usable.event
    issued = event.issued.earliest.timestamp() if event.issued else 0.0
    origin = event.origin
    updated = sortable(origin.last_updated)
    return (usable.time.earliest, issued, updated, origin.reference, usable.value)


def _usable_values(context: Context, feature: Feature) -> list[_Usable]:
    stay = context.stay
    if not stay.ed_visits and feature.window in _ROWS and _ed_unknown(context):
        return []
    span = span_of(feature.window, stay)
    events = (e for measure in feature.reads for e in context.history.of(measure))
    return list(_usable(events, span, context, feature))


def _ed_unknown(context: Context) -> bool:
    """Whether there was an ED visit cannot be told where no Encounters were read."""
    return context.sources.get("Encounter", "not_read") == "not_read"


def _of_two_pages(context: Context, feature: Feature) -> bool:
    """Between the newest values and the stay's own vital signs others may have been left out."""
    return STAY_VITALS in context.sources and feature.coverage_group == "vitals"


def _all_read(context: Context, feature: Feature) -> bool:
    """Whether no value of the window can have been left out."""
    if context.sources.get("Observation") != "partial":
        return True
    span = span_of(feature.window, context.stay)
    observed = [each for each in _observed(context.history.events) if each.time]
    if _reaches_back(observed, span, context):
        return True
    return _of_two_pages(context, feature) and _stay_is_alone(observed, span, context)


def _observed(events: Mapping[str, Iterable[Event]]) -> Iterator[Event]:
    for each in chain.from_iterable(events.values()):
        if each.origin.reference.startswith("Observation/"):
            yield each


def _reaches_back(observed: Iterable[Event], span: Span, context: Context) -> bool:
    """A page of the newest values has all of the window only if it reaches behind it; what came
    with the stay's own vital signs says nothing of that page."""
    own = context.stay.visit.id if STAY_VITALS in context.sources else None
    return any(e.time.before(span.start) for e in observed if e.time and e.visit != own)


def _stay_is_alone(observed: Iterable[Event], span: Span, context: Context) -> bool:
    """Whether all that was measured in the window hangs on the stay's own encounter: no other visit
    reaches into it, and every value that was read names its encounter."""
    if context.stay.ed_visits or context.sources.get("Encounter") != "read":
        return False
    others = (v for v in context.history.visits if v.id != context.stay.visit.id)
    return all(each.visit for each in observed) and not any(_reaches_into(v, span) for v in others)


def _reaches_into(visit: Visit, span: Span) -> bool:
    if visit.start is None:
        return True
    ends_before = visit.end is not None and not visit.end.since(span.start)
    return happened(visit) and visit.start.by(span.end) and not ends_before


def _usable(
    events: Iterable[Event], span: Span, context: Context, feature: Feature
) -> Iterator[_Usable]:
    known_at = context.stay.prediction_time
    for event in events:
        if event.time is None or event.time not in span:
            continue
        if event.issued and not event.issued.by(known_at):
            continue
        value = _value(event, context, feature)
        if isinstance(value, str):
            context.notice(value, "Observation", feature)
        elif value is not None:
            yield _Usable(event, event.time, value)


def _value(event: Event, context: Context, feature: Feature) -> float | str | None:
    """The value in the feature's unit; an issue code where it is discarded; None: not its row."""
    if (
        context.stay.ed_visits
        and feature.window in _ROWS
        and event.row not in _ROWS[feature.window]
    ):
        return "row_kind_unknown" if event.row == "unknown" else None
    if event.comparator:
        return "comparator"
    converted = _converted(event, context, feature)
    return converted if isinstance(converted, str) else _bounded(converted, context, feature)


def _converted(event: Event, context: Context, feature: Feature) -> float | str:
    if isinstance(event.value, str):
        return _from_words(event.value, feature)
    if event.value is None:
        return "value_missing"
    unit = event.unit or ""
    convert = _conversion(unit, event, context, feature)
    if convert is None:
        return "unit_unknown" if unit else "unit_missing"
    low, high = _CELSIUS_LIKE
    if unit == "[degF]" and low <= event.value <= high:
        context.notice("celsius_labelled_fahrenheit", "Observation", feature)
        return float(event.value)
    if feature.unit == unit == "%" and 0 < event.value <= 1:
        context.notice("fraction_labelled_percent", "Observation", feature)
        return float(event.value) * 100
    return float(convert(event.value))


def _conversion(unit: str, event: Event, context: Context, feature: Feature) -> Conversion | None:
    """No record has this many spellings; one made to be slow must not keep the others waiting."""
    if unit not in context.units and len(context.units) >= _MOST_UNITS:
        return None
    context.units.add(unit)
    return conversion(unit, feature.unit, event.kind)


def _from_words(words: str, feature: Feature) -> float | str:
    """Scores and levels may come as words: `7`, `5-7` (the mean), `2`, an ESI answer code."""
    if feature.unit not in ("{score}", "{level}"):
        return "value_not_numeric"
    if words in ESI_ANSWERS:
        return float(ESI_ANSWERS[words])
    words = words[:_LONGEST_WORDS]
    found = _FIRST.search(words)
    if not found or (feature.unit == "{level}" and not _LEVEL.match(words)):
        return "value_not_numeric"
    return (float(found[1]) + float(found[2] or found[1])) / 2


def _bounded(value: float, context: Context, feature: Feature) -> float | str:
    low, high = feature.low, feature.high
    if feature.positive and value <= 0:
        return "implausible"
    if feature.outlier_low is not None and value < feature.outlier_low:
        return "implausible"
    if feature.outlier_high is not None and value > feature.outlier_high:
        return "implausible"
    if feature.unit == "{level}" and value != int(value):
        return "implausible"
    clipped = max(value, low) if low is not None else value
    clipped = min(clipped, high) if high is not None else clipped
    if clipped != value:
        context.notice("clipped", "Observation", feature)
    return clipped


def _evidence(feature: Feature, chosen: _Usable, which: str, among: int) -> Evidence:
    event = chosen.event
    return evidence_of(
        feature,
        event.origin,
        chosen.value,
        time=chosen.time,
        received=str(event.value),
        received_unit=event.unit or "",
        reason=f"{which} of {among} usable in the window",
    )
