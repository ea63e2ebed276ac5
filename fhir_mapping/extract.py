"""A history as of a stay's prediction time -> the 105 values. Nothing else computes a feature.

Nothing is imputed: a value is there with its evidence, or it is missing.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import cached_property

from fhir_mapping import complaints, demographics, diagnoses, measurements, medication, utilisation
from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS, Feature
from fhir_mapping.derived import FUNCTIONS, INPUTS
from fhir_mapping.history import (
    DataIssue,
    IndexStay,
    Origin,
    PatientHistory,
    Sources,
    Timing,
    tally,
)
from fhir_mapping.readings import MISSING, Context, Evidence, Reading, Value, evidence_of

_PLACES = {name: place for place, name in enumerate(CATALOGUE.names)}
Reducer = Callable[[Context, Feature], Reading]
REDUCERS: Mapping[str, Reducer] = {
    "age": demographics.age,
    "sex": demographics.sex,
    "ethnicity": demographics.ethnicity,
    "arrival_transport": demographics.arrival_transport,
    "payer": demographics.payer,
    "visits_ed": utilisation.visits_ed,
    "visits_hospital": utilisation.visits_hospital,
    "visits_icu": utilisation.visits_icu,
    "first": measurements.first,
    "last": measurements.last,
    "mentions": complaints.mentions,
    "diagnosed": diagnoses.diagnosed,
    "ed_hours": utilisation.ed_hours,
    "ed_drugs": medication.ed_drugs,
    "home_drugs": medication.home_drugs,
    "admission_type": demographics.admission_type,
    "discharge_location": demographics.discharge_location,
    "los_days": utilisation.los_days,
    "icu_days": utilisation.icu_days,
    "oncology_service": demographics.oncology_service,
    "procedure": demographics.procedure,
}
_REDUCED = [(each, REDUCERS[each.reduce]) for each in CATALOGUE if not each.derived]
_DERIVED = [each for each in CATALOGUE if each.derived]


@dataclass(frozen=True)
class Coverage:
    """How many of the 105 inputs are known. `groups`: known and total of each coverage group.

    A category `unknown` is a value of its own to a model, but no input that was seen.
    """

    known: int
    total: int
    groups: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class FeatureVector:
    """The 105 values in catalogue order, None where missing, with all that explains them.

    Numeric and binary values are floats in the catalogue's unit, categories are level names.
    `zone`: the stay's own, for times that people read.
    """

    values: tuple[Value, ...]
    evidence: tuple[Evidence, ...]
    issues: tuple[DataIssue, ...]
    prediction_time: datetime
    timing: Timing
    profile: str
    profile_detected: bool
    zone: tzinfo

    def __getitem__(self, name: str) -> Value:
        return self.values[_PLACES[name]]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the values; equal on every path to the same patient and time."""
        return digest_of(self.values)

    @cached_property
    def coverage(self) -> Coverage:
        """Known inputs, in total and by group."""
        groups: dict[str, tuple[int, int]] = dict.fromkeys(COVERAGE_GROUPS, (0, 0))
        for feature, value in zip(CATALOGUE, self.values, strict=True):
            known, total = groups[feature.coverage_group]
            seen = value is not None and value != "unknown"
            groups[feature.coverage_group] = (known + seen, total + 1)
        return Coverage(sum(known for known, _ in groups.values()), len(self.values), groups)

    def evidence_for(self, name: str) -> tuple[Evidence, ...]:
        """The evidence rows of one feature."""
        return tuple(row for row in self.evidence if row.feature == name)


def digest_of(values: Sequence[Value]) -> str:
    """SHA-256 of the values of a vector, in catalogue order."""
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()


def extract(history: PatientHistory, stay: IndexStay, sources: Sources) -> FeatureVector:
    """The vector of `stay` from what was known at its prediction time.

    `sources` says for each FHIR resource type whether it was `read`, `partial` or `not_read`;
    a zero is a finding only where its sources were read.
    """
    context = Context(history, stay, sources)
    readings: dict[str, Reading] = {}
    for feature, reducer in _REDUCED:
        readings[feature.name] = reducer(context, feature)
    for feature in _DERIVED:
        readings[feature.name] = _derive(feature, readings)
    return FeatureVector(
        values=tuple(readings[name].value for name in CATALOGUE.names),
        evidence=tuple(_in_order(readings)),
        issues=tally((*history.issues, *stay.issues, *context.issues)),
        prediction_time=stay.prediction_time,
        timing=stay.timing,
        profile=history.profile,
        profile_detected=history.profile_detected,
        zone=stay.zone,
    )


def _derive(feature: Feature, readings: Mapping[str, Reading]) -> Reading:
    names = INPUTS[feature.reduce]
    known = {name: readings[name].value for name in names}
    numbers = {name: value for name, value in known.items() if isinstance(value, float)}
    if len(numbers) < len(names):
        return MISSING
    value = FUNCTIONS[feature.reduce](numbers)
    reason = f"from {', '.join(names)}"
    return Reading(value, (evidence_of(feature, Origin(""), value, reason=reason),))


def _in_order(readings: Mapping[str, Reading]) -> Iterable[Evidence]:
    for name in CATALOGUE.names:
        yield from readings[name].evidence
