"""What can be said of a stay: Scored, or NotScored and why. All the thinking, no I/O, no wording.

The hook, the SMART page and the batch job all call `assess`, so they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cds_service.records import Gathered
from fhir_mapping.catalogue import CATALOGUE, COVERAGE_GROUPS
from fhir_mapping.errors import PatientError
from fhir_mapping.extract import Coverage, FeatureVector, extract
from fhir_mapping.history import IndexStay, NoStay, PatientHistory, Source
from fhir_mapping.outcomes import eligible
from fhir_mapping.profiles import Profile
from fhir_mapping.reading import history_of
from fhir_mapping.scores import PointScore, hospital, lace
from fhir_mapping.stay import index_stay, open_stays
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


def coverage_of(vector: FeatureVector, bundle: Bundle) -> Coverage:
    """The inputs that are known, of those that the bundle's network takes.

    Point scores are counted from events and take no vector: for them it is the whole catalogue.
    """
    if bundle.manifest.kind == "published_scores":
        return vector.coverage
    groups = dict.fromkeys(COVERAGE_GROUPS, (0, 0))
    for name in bundle.manifest.features:
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
    def base_rate(self) -> BaseRate | None:
        """The site's rate, as set; else the bundle's."""
        if self.site_base_rate is not None:
            outcome = "readmission within 30 days"
            return BaseRate(self.site_base_rate, "site", outcome, "this site, as configured")
        rate = self.bundle.manifest.base_rate
        return BaseRate(rate.value, "bundle", rate.outcome, rate.cohort) if rate else None


def assess(
    gathered: Gathered, encounter_id: str | None, now: datetime, *, assessor: Assessor
) -> Assessment:
    """Assess the stay of `encounter_id` as of `now` or its end; without an id the one open stay.

    `now` is the caller's clock, aware, read once per request.
    """
    try:
        history = history_of(gathered.resources, profile=assessor.profile, issues=gathered.issues)
    except PatientError:
        return NotScored(encounter_id, "patient_unknown", gathered.sources)
    chosen = encounter_id or _open_stay(history)
    if isinstance(chosen, NoStay):
        return NotScored(None, chosen.reason, gathered.sources)
    stay = index_stay(history, chosen, now)
    if isinstance(stay, NoStay):
        return NotScored(chosen, stay.reason, gathered.sources)
    return _assess_stay(history, stay, gathered.sources, assessor)


def stay_of(
    gathered: Gathered, encounter_id: str | None, now: datetime, *, profile: Profile | None
) -> IndexStay | NoStay:
    """The stay that `assess` would take, from as little as its encounters."""
    try:
        history = history_of(gathered.resources, profile=profile)
    except PatientError:
        return NoStay("patient_unknown")
    chosen = encounter_id or _open_stay(history)
    return chosen if isinstance(chosen, NoStay) else index_stay(history, chosen, now)


def _open_stay(history: PatientHistory) -> str | NoStay:
    found = open_stays(history)
    if len(found) == 1:
        return found[0].id
    return NoStay("several_open_stays" if found else "no_open_stay")


def _assess_stay(
    history: PatientHistory, stay: IndexStay, sources: Mapping[str, Source], assessor: Assessor
) -> Assessment:
    vector = extract(history, stay, sources)
    baselines = _baselines(history, stay, sources, assessor.bundle)
    reason, missing = _refusal(history, stay, vector, baselines, assessor.bundle)
    if reason:
        return NotScored(stay.visit.id, reason, sources, missing, vector)
    return Scored(
        encounter_id=stay.visit.id,
        score=assessor.scorer.score(vector.values),
        baselines=baselines,
        base_rate=assessor.base_rate,
        vector=vector,
        sources=sources,
    )


def _baselines(
    history: PatientHistory, stay: IndexStay, sources: Mapping[str, Source], bundle: Bundle
) -> tuple[Baseline, ...]:
    return tuple(_baseline(count(history, stay, sources), bundle) for count in (lace, hospital))


def _baseline(score: PointScore, bundle: Bundle) -> Baseline:
    published = bundle.published[score.name]
    reading = None if score.points is None else published.read(score.points)
    return Baseline(score, published, reading)


def _refusal(
    history: PatientHistory,
    stay: IndexStay,
    vector: FeatureVector,
    baselines: tuple[Baseline, ...],
    bundle: Bundle,
) -> tuple[str | None, tuple[str, ...]]:
    """Outside the population, below a floor, or without what the score needs: first that holds."""
    outside = eligible(history, stay)
    if outside:
        return outside, ()
    if vector["hosp_los_days"] is None:
        return "length_of_stay_implausible", ()
    thin = tuple(_below_floor(vector, bundle))
    if thin:
        return "below_coverage_floor", thin
    if bundle.manifest.kind == "published_scores" and not any(b.reading for b in baselines):
        missing = dict.fromkeys(label for each in baselines for label in each.score.missing)
        return "score_inputs_missing", tuple(missing)
    return None, ()


def _below_floor(vector: FeatureVector, bundle: Bundle) -> list[str]:
    floors = bundle.manifest.coverage_floors
    return [
        name
        for name, (known, total) in coverage_of(vector, bundle).groups.items()
        if known / total < floors.get(name, 0.0)
    ]
