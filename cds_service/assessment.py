"""What can be said of a stay: Scored, or NotScored and why. All the thinking, no I/O, no wording.

The hook, the SMART page and the batch job all call `assess`, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

from cds_service.records import Gathered
from cds_service.tasks import RULES, TaskRules, inputs_of
from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS
from fhir_mapping.errors import PatientError
from fhir_mapping.extract import Coverage, FeatureVector, extract
from fhir_mapping.history import IndexStay, NoStay, PatientHistory, Source, Visit
from fhir_mapping.prefetch import Template, templates
from fhir_mapping.profiles import Profile, load_profile
from fhir_mapping.reading import history_of
from fhir_mapping.scores import PointScore
from fhir_mapping.stay import happened
from model.bundle import Bundle
from model.published import PointClass, PublishedScore
from model.scoring import Score, Scorer


@dataclass(frozen=True)
class Baseline:
    """A published point score of this patient; `reading` None where an item is missing."""

    score: PointScore
    published: PublishedScore
    reading: PointClass | None


@dataclass(frozen=True)
class BaseRate:
    """The yardstick beside a result: the site's own rate if it was set, else the bundle's."""

    value: float
    origin: Literal["site", "bundle"]
    outcome: str
    cohort: str


@dataclass(frozen=True)
class Scored:
    """A result. `score.probability` is None where the bundle gives points only."""

    encounter_id: str
    score: Score
    baselines: tuple[Baseline, ...]
    base_rate: BaseRate | None
    vector: FeatureVector
    sources: Mapping[str, Source]


@dataclass(frozen=True)
class NotScored:
    """No result, because: `reason` is a code; `missing` names what would be needed."""

    encounter_id: str | None
    reason: str
    sources: Mapping[str, Source]
    missing: tuple[str, ...] = ()
    vector: FeatureVector | None = None


Assessment = Scored | NotScored


@dataclass(frozen=True)
class Ready:
    """A stay that may be scored: all but its score."""

    encounter_id: str
    baselines: tuple[Baseline, ...]
    base_rate: BaseRate | None
    vector: FeatureVector
    sources: Mapping[str, Source]

    def scored(self, score: Score) -> Scored:
        """With its score."""
        return Scored(
            self.encounter_id, score, self.baselines, self.base_rate, self.vector, self.sources
        )


def coverage_of(vector: FeatureVector, bundle: Bundle) -> Coverage:
    """The inputs of the bundle that are known."""
    groups = dict.fromkeys(COVERAGE_GROUPS, (0, 0))
    for name in inputs_of(bundle.manifest):
        known, total = groups[CATALOGUE[name].coverage_group]
        seen = vector[name] not in (None, "unknown")
        groups[CATALOGUE[name].coverage_group] = (known + seen, total + 1)
    known, total = (sum(part) for part in zip(*groups.values(), strict=True))
    return Coverage(known, total, {name: part for name, part in groups.items() if part[1]})


@dataclass(frozen=True)
class Assessor:
    """What stays the same between calls: the bundle, its scorer, the site's choices."""

    bundle: Bundle
    scorer: Scorer
    profile: Profile | None = None
    site_base_rate: float | None = None

    @property
    def rules(self) -> TaskRules:
        """The rules of the bundle's task."""
        return RULES[self.bundle.manifest.task]

    @cached_property
    def asked(self) -> tuple[Template, ...]:
        """What a client is asked for, and what is read of what it sends."""
        profile = self.profile or load_profile("us_core")
        return templates(profile, self.rules.asked(self.bundle.manifest))

    @property
    def base_rate(self) -> BaseRate | None:
        """The site's rate, as set and of this task's outcome; else the bundle's."""
        outcome = self.rules.site_rate
        if outcome and self.site_base_rate is not None:
            return BaseRate(self.site_base_rate, "site", outcome, "this site, as configured")
        rate = self.bundle.manifest.base_rate
        return BaseRate(rate.value, "bundle", rate.outcome, rate.cohort) if rate else None


def assess(
    gathered: Gathered, encounter_id: str | None, now: datetime, *, assessor: Assessor
) -> Assessment:
    """Assess the visit `encounter_id` as of the clock of the bundle's task, at the latest `now`;
    without an id the one that is in progress.

    `now` is the caller's clock, aware, read once per request.
    """
    try:
        history = history_of(gathered.resources, profile=assessor.profile, issues=gathered.issues)
    except PatientError:
        return NotScored(encounter_id, "patient_unknown", gathered.sources)
    chosen = encounter_id or assessor.rules.open_visit(history)
    if isinstance(chosen, NoStay):
        return NotScored(None, chosen.reason, gathered.sources)
    stay = assessor.rules.index(history, chosen, now, assessor.bundle.manifest)
    if isinstance(stay, NoStay):
        return NotScored(chosen, stay.reason, gathered.sources)
    ready = readied(history, stay, gathered.sources, now, assessor=assessor)
    if isinstance(ready, NotScored):
        return ready
    return ready.scored(assessor.scorer.score(ready.vector.values))


def stay_of(
    gathered: Gathered, encounter_id: str | None, now: datetime, *, assessor: Assessor
) -> IndexStay | NoStay:
    """The stay that `assess` would take, from as little as its encounters."""
    try:
        history = history_of(gathered.resources, profile=assessor.profile)
    except PatientError:
        return NoStay("patient_unknown")
    chosen = encounter_id or assessor.rules.open_visit(history)
    if isinstance(chosen, NoStay):
        return chosen
    return assessor.rules.index(history, chosen, now, assessor.bundle.manifest)


def stays_of(gathered: Gathered, *, assessor: Assessor) -> tuple[Visit, ...]:
    """The visits that `assess` could be asked about, newest first, from as little as the encounters."""
    try:
        history = history_of(gathered.resources, profile=assessor.profile)
    except PatientError:
        return ()
    visits = (each for each in history.visits if each.role == assessor.rules.role)
    begun = [each for each in visits if each.start is not None and happened(each)]
    return tuple(sorted(begun, key=_begun, reverse=True))


def _begun(visit: Visit) -> tuple[datetime, str]:
    assert visit.start is not None  # noqa: S101 - chosen for it
    return visit.start.earliest, visit.id


def readied(
    history: PatientHistory,
    stay: IndexStay,
    sources: Mapping[str, Source],
    now: datetime,
    *,
    assessor: Assessor,
) -> Ready | NotScored:
    """All that comes before the score: a batch asks for the scores of many stays at once."""
    vector = extract(history, stay, sources)
    outside = assessor.rules.outside(history, stay, vector, now)
    baselines = tuple(
        _baseline(count(history, stay, sources), assessor.bundle) for count in assessor.rules.beside
    )
    reason, missing = (outside, ()) if outside else _lacking(vector, baselines, assessor.bundle)
    if reason:
        return NotScored(stay.visit.id, reason, sources, missing, vector)
    return Ready(stay.visit.id, baselines, assessor.base_rate, vector, sources)


def _baseline(score: PointScore, bundle: Bundle) -> Baseline:
    published = bundle.published[score.name]
    reading = None if score.points is None else published.read(score.points)
    return Baseline(score, published, reading)


def _lacking(
    vector: FeatureVector, baselines: tuple[Baseline, ...], bundle: Bundle
) -> tuple[str | None, tuple[str, ...]]:
    """Below a floor, or without what the score needs: first that holds."""
    thin = tuple(below_floor(vector, bundle))
    if thin:
        return "below_coverage_floor", thin
    if bundle.manifest.kind == "published_scores" and not any(b.reading for b in baselines):
        missing = dict.fromkeys(label for each in baselines for label in each.score.missing)
        return "score_inputs_missing", tuple(missing)
    return None, ()


def below_floor(vector: FeatureVector, bundle: Bundle) -> list[str]:
    """The groups of which the bundle asks for more inputs than are known."""
    floors = bundle.manifest.coverage_floors
    return [
        name
        for name, (known, total) in coverage_of(vector, bundle).groups.items()
        if known / total < floors.get(name, 0.0)
    ]
