"""What a reducer returns and what it is given: a value with its evidence, and the context."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from fhir_mapping.catalogue import Feature
from fhir_mapping.history import (
    DataIssue,
    Event,
    IndexStay,
    Origin,
    PatientHistory,
    Sources,
    Visit,
)
from fhir_mapping.when import When

Value = float | str | None
ED_VISITS = "Encounter/ed"
"""A key beside `Encounter` for a reader whose ED visits come from a source of their own, so that
the others' zeros stay findings where that one was not read; where it is no key, as Encounter."""
STAY_VITALS = "Observation/stay"
"""A key beside `Observation` where that is `partial` and yet the vital signs of the index stay's own
encounter were all read."""
_NOWHERE = Origin("")
_OF_ED_VISITS = frozenset(("visits_ed", "arrival_transport"))


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Why a feature has its value: one row for each resource that it rests on.

    `received` and `received_unit` as the resource has them; `value` in the catalogue's unit.
    `reason` says why this resource was chosen. `time` is ISO 8601 UTC, a date where only the day
    is known. `reference` is empty where a zero rests on finding nothing.
    """

    feature: str
    reference: str
    version: str
    time: str
    received: str
    received_unit: str
    value: Value
    unit: str
    reason: str


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A feature's value, None where missing, and what it rests on."""

    value: Value
    evidence: tuple[Evidence, ...] = ()


MISSING = Reading(None)


class Diagnosis(msgspec.Struct, frozen=True, gc=False):
    """One diagnosis that counts: when it became history, and why."""

    event: Event
    time: When
    reason: str


@dataclass(frozen=True)
class Context:
    """One patient, one stay, what was read. `issues` gathers what is noticed on the way,
    `past_diagnoses` what was found for a window, `units` the spellings that were looked up."""

    history: PatientHistory
    stay: IndexStay
    sources: Sources
    issues: list[DataIssue] = field(default_factory=list)
    past_diagnoses: dict[str, tuple[Diagnosis, ...]] = field(default_factory=dict)
    units: set[str] = field(default_factory=set)

    @property
    def ed_visits_read(self) -> bool:
        """True where all ED visits of the look-back were read."""
        return self.sources.get(ED_VISITS, self.sources.get("Encounter")) == "read"

    def read(self, feature: Feature) -> bool:
        """True where every source of the feature was read over the whole look-back."""
        if feature.reduce in _OF_ED_VISITS and not self.ed_visits_read:
            return False
        return all(self.sources.get(source) == "read" for source in feature.sources)

    def zero(self, feature: Feature) -> Reading:
        """A zero is a finding only where its source was read (METHOD.md, Absence)."""
        if not self.read(feature):
            return MISSING
        return Reading(0.0, (nothing_found(feature, 0.0),))

    def level(self, feature: Feature, level: str, evidence: Iterable[Evidence] = ()) -> Reading:
        """A category; `unknown` is missing where the source was not read."""
        if level == "unknown" and not self.read(feature):
            return MISSING
        return Reading(level, tuple(evidence) or (nothing_found(feature, level),))

    def notice(self, code: str, resource: str, feature: Feature | None = None) -> None:
        """Count something that a person should know about the data."""
        self.issues.append(DataIssue(code, resource, 1, feature.name if feature else None))


def evidence_of(
    feature: Feature,
    origin: Origin,
    value: Value,
    *,
    reason: str,
    time: When | None = None,
    received: str = "",
    received_unit: str = "",
) -> Evidence:
    """The evidence row of one resource."""
    return Evidence(
        feature=feature.name,
        reference=origin.reference,
        version=origin.version,
        time=written(time) if time else "",
        received=received,
        received_unit=received_unit,
        value=value,
        unit=feature.unit,
        reason=reason,
    )


def nothing_found(feature: Feature, value: Value) -> Evidence:
    """The evidence of a zero: all was read and nothing was there."""
    return evidence_of(feature, _NOWHERE, value, reason=feature.none_found)


def visit_evidence(feature: Feature, visit: Visit, value: Value, reason: str) -> Evidence:
    """The evidence row of an encounter, dated by its start."""
    return evidence_of(feature, visit.origin, value, reason=reason, time=visit.start)


def written(when: When) -> str:
    """ISO 8601: an instant in UTC, or the day."""
    if when.dated:
        return (when.earliest + (when.latest - when.earliest) / 2).date().isoformat()
    return when.earliest.isoformat()
