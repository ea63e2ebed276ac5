"""One patient's record after another into tallies. What is kept of a record are counts alone."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cds_service.assessment import Assessor, NotScored, coverage_of, readied
from cds_service.batch.site_check.codes import (
    Code,
    behind,
    code_of,
    measures_of,
    parts_of,
    unit_of,
    units_behind,
    unmapped,
)
from cds_service.batch.site_check.tallies import Hours, Tally, shown
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.errors import PatientError
from fhir_mapping.extract import FeatureVector
from fhir_mapping.history import DataIssue, Event, IndexStay, NoStay, PatientHistory, Sources
from fhir_mapping.profiles import Profile, load_profile
from fhir_mapping.reading import history_of
from fhir_mapping.readings import Evidence
from fhir_mapping.resources import AnyResource, Encounter, Observation, latest_versions
from fhir_mapping.stay import finished_stays, index_stay
from fhir_mapping.when import parse_when

NEVER = datetime.max.replace(tzinfo=UTC)
"""Finished stays carry their own clock; no other is ever asked."""


@dataclass
class FeatureTally:
    """One feature over all stays."""

    found: int = 0
    nothing_there: int = 0
    unknown: int = 0
    issued_after: int = 0
    hours: Hours = field(default_factory=Hours)
    units: Tally[str] = field(default_factory=Tally)
    codes: Tally[Code] = field(default_factory=Tally)
    displays: Tally[Code] = field(default_factory=Tally)
    rejected: Tally[str] = field(default_factory=Tally)  # its "patients" are stays


@dataclass
class OfPatient:
    """What one patient's stays showed, until it is added to the tallies."""

    units: dict[str, Counter[str]] = field(default_factory=dict)
    codes: dict[str, Counter[Code]] = field(default_factory=dict)


@dataclass
class Survey:
    """Everything that is counted."""

    sources: Sources
    assessor: Assessor
    patients: int = 0
    patients_left_out: int = 0
    finished: int = 0
    eligible: int = 0
    scored: int = 0
    profiles: Counter[tuple[str, bool]] = field(default_factory=Counter)
    not_scored: Counter[tuple[str, tuple[str, ...]]] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    issues: Counter[tuple[str, str]] = field(default_factory=Counter)
    known: dict[str, Counter[float]] = field(default_factory=dict)
    below: Counter[str] = field(default_factory=Counter)
    features: Mapping[str, FeatureTally] = field(
        default_factory=lambda: {name: FeatureTally() for name in CATALOGUE.names}
    )
    measured: Tally[tuple[str, str]] = field(default_factory=Tally)
    unmapped: Tally[Code] = field(default_factory=Tally)
    displays: Tally[Code] = field(default_factory=Tally)
    without_code: Counter[str] = field(default_factory=Counter)

    def add(self, resources: Sequence[AnyResource], site: Profile | None) -> None:
        """Count one patient's whole record."""
        self.patients += 1
        try:
            history = history_of(resources, profile=site)
        except PatientError:
            self.patients_left_out += 1
            return
        used = site or load_profile(history.profile)
        self.profiles[history.profile, history.profile_detected] += 1
        self.notice(history.issues)
        latest = latest_versions(resources)
        self._measured(latest, used)
        self._unmapped(latest, history, used)
        self._stays({each.reference: each for each in latest}, history, used)

    def notice(self, issues: Iterable[DataIssue]) -> None:
        """Count issues that concern no one feature."""
        for issue in issues:
            self.issues[issue.code, issue.resource] += issue.count

    def _measured(self, resources: Iterable[AnyResource], profile: Profile) -> None:
        found: Counter[tuple[str, str]] = Counter()
        for each in resources:
            for _, part in parts_of(each) if isinstance(each, Observation) else ():
                for measure in measures_of(part, profile):
                    found.update((measure, shown(unit)) for unit in unit_of(part))
        self.measured.add(found)

    def _unmapped(
        self, resources: Iterable[AnyResource], history: PatientHistory, profile: Profile
    ) -> None:
        roles = {visit.id: visit.role for visit in history.visits}
        found: Counter[Code] = Counter()
        for each in resources:
            role = roles.get(each.id, "other") if isinstance(each, Encounter) else ""
            for element, coding in unmapped(each, profile, role):
                if coding is None:
                    self.without_code[element] += 1
                else:
                    found[code_of(element, coding)] += 1
        self.displays.add(found)
        self.unmapped.add(_undisplayed(found))

    def _stays(
        self, by_reference: Mapping[str, AnyResource], history: PatientHistory, profile: Profile
    ) -> None:
        self._no_stays(history)
        seen = OfPatient()
        for stay in finished_stays(history, NEVER):
            vector = self._stay(history, stay)
            self._features(vector, stay)
            self._late(history, stay)
            self._received(vector, by_reference, profile, seen)
        for name, units in seen.units.items():
            self.features[name].units.add(units)
        for name, codes in seen.codes.items():
            self.features[name].displays.add(codes)
            self.features[name].codes.add(_undisplayed(codes))

    def _no_stays(self, history: PatientHistory) -> None:
        for visit in history.visits:
            if visit.role == "hospital" and visit.status == "finished":
                stay = index_stay(history, visit.id, NEVER)
                if isinstance(stay, NoStay):
                    self.left_out[stay.reason] += 1

    def _stay(self, history: PatientHistory, stay: IndexStay) -> FeatureVector:
        """Whether it would be scored, as a batch or a hook would find."""
        answer = readied(history, stay, self.sources, NEVER, assessor=self.assessor)
        assert answer.vector is not None  # noqa: S101 - readied always computes it
        self.finished += 1
        outside = self.assessor.rules.outside(history, stay, answer.vector, NEVER)
        self.eligible += outside is None
        if isinstance(answer, NotScored):
            self.not_scored[answer.reason, answer.missing] += 1
        else:
            self.scored += 1
        self._coverage(answer.vector)
        own = Counter(
            {(i.code, i.resource): i.count for i in answer.vector.issues if not i.feature}
        )
        own.subtract({(i.code, i.resource): i.count for i in history.issues})
        self.issues.update(+own)
        return answer.vector

    def _coverage(self, vector: FeatureVector) -> None:
        floors = self.assessor.bundle.manifest.coverage_floors
        for group, (known, total) in coverage_of(vector, self.assessor.bundle).groups.items():
            self.known.setdefault(group, Counter())[float(known)] += 1
            self.below[group] += known / total < floors.get(group, 0.0)

    def _features(self, vector: FeatureVector, stay: IndexStay) -> None:
        proofs: dict[str, list[Evidence]] = {}
        for row in vector.evidence:
            proofs.setdefault(row.feature, []).append(row)
        for feature, value in zip(CATALOGUE, vector.values, strict=True):
            tally = self.features[feature.name]
            if value is None:
                continue
            tally.unknown += value == "unknown"
            if value != "unknown":
                _found(tally, feature, proofs.get(feature.name, []), stay)
        for issue in vector.issues:
            if issue.feature:
                self.features[issue.feature].rejected.add(Counter({issue.code: issue.count}))

    def _late(self, history: PatientHistory, stay: IndexStay) -> None:
        """Values of the stay that nobody can have read by its end."""
        late = {measure for measure in history.events if _issued_after(history.of(measure), stay)}
        for feature in CATALOGUE:
            if not feature.derived and late & set(feature.reads):
                self.features[feature.name].issued_after += 1

    def _received(
        self,
        vector: FeatureVector,
        by_reference: Mapping[str, AnyResource],
        profile: Profile,
        seen: OfPatient,
    ) -> None:
        """Codes and units behind the values of a stay, each counted once in it."""
        codes: dict[str, set[Code]] = {}
        units: dict[str, set[str]] = {}
        for row in vector.evidence:
            resource, feature = by_reference.get(row.reference), CATALOGUE[row.feature]
            if resource is None or row.value == "unknown":
                continue
            codes.setdefault(row.feature, set()).update(
                behind(feature, resource, row.received, profile)
            )
            if isinstance(resource, Observation):
                found = map(shown, units_behind(feature, resource, profile))
                units.setdefault(row.feature, set()).update(found)
        for name, some in codes.items():
            seen.codes.setdefault(name, Counter()).update(some)
        for name, spelled in units.items():
            seen.units.setdefault(name, Counter()).update(spelled)


def _found(
    tally: FeatureTally, feature: Feature, proofs: Sequence[Evidence], stay: IndexStay
) -> None:
    if not feature.derived and not any(row.reference for row in proofs):
        tally.nothing_there += 1
        return
    tally.found += 1
    times = [when for row in proofs if row.reference and (when := parse_when(row.time, UTC))]
    if times:
        newest = max(each.earliest + (each.latest - each.earliest) / 2 for each in times)
        tally.hours.add((stay.prediction_time - newest).total_seconds() / 3600)


def _issued_after(events: Iterable[Event], stay: IndexStay) -> bool:
    end = stay.prediction_time
    return any(
        each.time.since(stay.t0) and each.time.by(end) and not each.issued.by(end)
        for each in events
        if each.time and each.issued
    )


def _undisplayed(codes: Counter[Code]) -> Counter[Code]:
    plain: Counter[Code] = Counter()
    for code, count in codes.items():
        plain[code._replace(display="")] += count
    return plain
