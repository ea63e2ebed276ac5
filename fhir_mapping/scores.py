"""LACE and HOSPITAL from the same history as the 105, not from the 105 (METHOD.md).

LACE: van Walraven 2010, CMAJ 182:551. HOSPITAL: Donze 2016, JAMA Intern Med 176:496. Points only;
what they were published to predict is in the bundle. A component that cannot be told is missing,
and with it the sum: `at_least` says what is certain.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Literal

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.codelists import rows
from fhir_mapping.derived import bins
from fhir_mapping.diagnoses import index_diagnoses, past_diagnoses
from fhir_mapping.extract import REDUCERS
from fhir_mapping.history import IndexStay, PatientHistory, Sources
from fhir_mapping.readings import Context, Diagnosis, Reading, written
from fhir_mapping.utilisation import ed_visits_in
from fhir_mapping.windows import Span

READS = (
    "hosp_los_days", "admission_type", "cci_chf", "n_ed_365d", "n_hosp_365d", "hemoglobin_last",
    "oncology_service", "sodium_last", "procedure_any",
)  # fmt: skip
"""A feature for each item of the two scores, or one that rests on the same resources."""
_SIX_MONTHS = timedelta(days=183)
_HISTORY = "1825d"
_ACUTE = ("emergency", "urgent")
_LENGTH = bins("<1 0, 1-2 1, 2-3 2, 3-4 3, 4-7 4, 7-14 5, >=14 7")
_VISITS = bins("<1 0, 1-1 1, 2-2 2, 3-3 3, >=4 4")
_CHARLSON = bins("<1 0, 1-1 1, 2-2 2, 3-3 3, >=4 5")
_ADMISSIONS = bins("<=1 0, 2-5 2, >5 5")
_REPLACES = {
    "diabetes_end_organ": "diabetes",
    "liver_renal_severe": "liver_renal_mild",
    "metastatic": "any_tumour",
}
_RENAL_SEVERE = "lace_renal_severe"


@dataclass(frozen=True)
class Component:
    """One item of a score. `points` None: cannot be told. `shown` is in the clinician's words."""

    name: str
    label: str
    points: int | None
    shown: str = ""
    date: str = ""
    references: tuple[str, ...] = ()


@dataclass(frozen=True)
class PointScore:
    """A score's points, None where an item is missing; then `at_least` is what is certain."""

    name: Literal["lace", "hospital"]
    components: tuple[Component, ...]

    @property
    def points(self) -> int | None:
        return None if self.missing else self.at_least

    @property
    def at_least(self) -> int:
        return sum(each.points or 0 for each in self.components)

    @property
    def missing(self) -> tuple[str, ...]:
        """The labels of the items that could not be told."""
        return tuple(each.label for each in self.components if each.points is None)


def lace(history: PatientHistory, stay: IndexStay, sources: Sources) -> PointScore:
    """Length of stay (elapsed days), acuity, comorbidity (index stay included), ED visits in the
    six months before T0 (the index visit left out)."""
    context = Context(history, stay, sources)
    return PointScore(
        "lace",
        (_length(context), _acuity(context), _comorbidity(context), _emergency(context)),
    )


def hospital(history: PatientHistory, stay: IndexStay, sources: Sources) -> PointScore:
    """Haemoglobin, oncology, sodium, procedure, admission type, earlier admissions, length."""
    context = Context(history, stay, sources)
    return PointScore(
        "hospital",
        (
            _laboratory(context, "hemoglobin_last", below=12.0),
            _flag(context, "oncology_service", points=2),
            _laboratory(context, "sodium_last", below=135.0),
            _flag(context, "procedure_any", points=1),
            _urgent(context),
            _admissions(context),
            _long_stay(context),
        ),
    )


def _reading(context: Context, name: str) -> Reading:
    feature = CATALOGUE[name]
    return REDUCERS[feature.reduce](context, feature)


def _component(
    context: Context, name: str, reading: Reading, points: int | None, shown: str = ""
) -> Component:
    label = CATALOGUE[name].label
    found = [row for row in reading.evidence if row.reference]
    date = max((_day(row.time, context) for row in found), default="")
    return Component(
        name, label, points, shown or label, date, tuple(row.reference for row in found)
    )


def _day(time: str, context: Context) -> str:
    """The calendar day for people: in the zone that the stay itself is written in."""
    if "T" not in time:
        return time
    return datetime.fromisoformat(time).astimezone(context.stay.zone).date().isoformat()


def _length(context: Context) -> Component:
    reading = _reading(context, "hosp_los_days")
    if not isinstance(reading.value, float):
        return _component(context, "hosp_los_days", reading, None)
    return _component(
        context, "hosp_los_days", reading, _LENGTH(reading.value), _length_shown(reading.value)
    )


def _acuity(context: Context) -> Component:
    reading = _reading(context, "admission_type")
    if reading.value in (None, "unknown"):
        return _component(context, "admission_type", reading, None)
    points = 3 if reading.value in _ACUTE else 0
    return _component(
        context, "admission_type", reading, points, f"Admission type: {reading.value}"
    )


def _emergency(context: Context) -> Component:
    start = context.stay.t0 - _SIX_MONTHS
    visits = ed_visits_in(context, Span(start, context.stay.t0, closed=False))
    label = "ED visits in the six months before"
    points = _VISITS(len(visits))
    if points < 4 and not context.ed_visits_read:
        return Component("ed_visits_six_months", label, None)
    newest = max(
        (visit.start for visit in visits if visit.start), key=lambda w: w.latest, default=None
    )
    return Component(
        "ed_visits_six_months",
        label,
        points,
        f"{_number(len(visits), 'ED visit')} in the six months before",
        _day(written(newest), context) if newest else "",
        tuple(visit.origin.reference for visit in visits),
    )


def _comorbidity(context: Context) -> Component:
    """The C of LACE: capped at 5, so that alone the sum stands where not all was read."""
    label = "Comorbidity (Charlson, LACE weights)"
    found = _items((*past_diagnoses(context, _HISTORY), *index_diagnoses(context)))
    weights = _weights()
    points = _CHARLSON(sum(weights[item] for item in found))
    read = all(context.sources.get(source) == "read" for source in ("Condition", "Encounter"))
    if points < 5 and not read:
        return Component("charlson", label, None)
    names = ", ".join(_labels()[item] for item in sorted(found, key=lambda i: (-weights[i], i)))
    proofs = sorted(found.values(), key=lambda each: each.time.latest)
    references = tuple(dict.fromkeys(each.event.origin.reference for each in proofs))
    date = _day(written(proofs[-1].time), context) if proofs else ""
    shown = f"Comorbidity: {names}" if names else "No comorbidity that LACE counts"
    return Component("charlson", label, points, shown, date, references)


def _items(diagnoses: Iterable[Diagnosis]) -> dict[str, Diagnosis]:
    """LACE items present, each with its latest proof; the severe form replaces the mild one."""
    found: dict[str, Diagnosis] = {}
    for diagnosis in sorted(diagnoses, key=lambda each: each.time.latest):
        for feature in diagnosis.event.features:
            for item in _item_of().get(feature, ()):
                found[item] = diagnosis
    for severe, mild in _REPLACES.items():
        if severe in found:
            found.pop(mild, None)
    return found


@cache
def _item_of() -> Mapping[str, tuple[str, ...]]:
    items = {row["feature"]: (row["component"],) for row in rows("lace_items")}
    return items | {_RENAL_SEVERE: ("liver_renal_severe",)}


@cache
def _weights() -> Mapping[str, int]:
    return {row["component"]: int(row["points"]) for row in rows("lace_items")}


@cache
def _labels() -> Mapping[str, str]:
    return {row["component"]: row["label"].lower() for row in rows("lace_items")}


def _laboratory(context: Context, name: str, *, below: float) -> Component:
    reading, feature = _reading(context, name), CATALOGUE[name]
    if not isinstance(reading.value, float):
        return _component(context, name, reading, None)
    shown = f"{feature.label} {reading.value:g} {feature.unit}"
    return _component(context, name, reading, int(reading.value < below), shown)


def _flag(context: Context, name: str, *, points: int) -> Component:
    reading = _reading(context, name)
    if not isinstance(reading.value, float):
        return _component(context, name, reading, None)
    return _component(context, name, reading, points if reading.value else 0)


def _urgent(context: Context) -> Component:
    item = _acuity(context)
    points = None if item.points is None else int(item.points > 0)
    return Component(item.name, item.label, points, item.shown, item.date, item.references)


def _admissions(context: Context) -> Component:
    reading = _reading(context, "n_hosp_365d")
    count = reading.value if isinstance(reading.value, float) else 0.0
    points = _ADMISSIONS(count)
    if points < 5 and context.sources.get("Encounter") != "read":
        return _component(context, "n_hosp_365d", reading, None)
    shown = f"{_number(count, 'admission')} in the year before"
    return _component(context, "n_hosp_365d", reading, points, shown)


def _long_stay(context: Context) -> Component:
    reading = _reading(context, "hosp_los_days")
    if not isinstance(reading.value, float):
        return _component(context, "hosp_los_days", reading, None)
    points = 2 if reading.value >= 5 else 0
    return _component(context, "hosp_los_days", reading, points, _length_shown(reading.value))


def _length_shown(days: float) -> str:
    return f"Length of stay {days:.1f} days"


def _number(count: float, noun: str) -> str:
    return f"{count:g} {noun}" if count == 1 else f"{count:g} {noun}s"
