"""An assessment as CDS Hooks cards. Pure: the same assessment gives the same card and uuid.

High points alone are `warning`, a probability is `info` until a site sets a threshold, nothing is
`critical`; not scored is always a card that says so.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cds_service.assessment import (
    Assessment,
    Baseline,
    BaseRate,
    NotScored,
    Scored,
    coverage_of,
)
from cds_service.hooks.estimate import estimate, estimate_facts, what_moves
from cds_service.hooks.schemas import Card, Source
from cds_service.hooks.task_wording import wording_of
from cds_service.hooks.wording import (
    BESIDE,
    DATED,
    SOURCES,
    WHEN,
    listed,
    percent,
    plain,
)
from cds_service.tasks import inputs_of
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector
from fhir_mapping.history import DataIssue, tally
from fhir_mapping.history import Source as ReadState
from fhir_mapping.scores import Component
from model.bundle import Bundle

_NAMESPACE = uuid.UUID("6a3c7f0e-8d5b-5c1f-9f39-4f6d2f1b7a55")
_TITLES = {"lace": "LACE", "hospital": "HOSPITAL"}
_SHORT_DIGEST = 12
_NAMED = 12


def cards_for(assessment: Assessment, patient_id: str, bundle: Bundle) -> list[Card]:
    """The one card of an assessment."""
    if isinstance(assessment, Scored):
        indicator, summary = _indicator(assessment), _scored_summary(assessment, bundle)
        parts = list(_scored_detail(assessment, bundle))
    else:
        indicator, summary = "info", _not_scored_summary(assessment, bundle)
        parts = list(_not_scored_detail(assessment, bundle))
    detail = "\n\n".join(parts)
    card = Card(
        uuid=_card_id(patient_id, assessment, bundle, summary + detail),
        summary=summary,
        detail=detail,
        indicator=indicator,
        source=Source(label=f"Readmit - {bundle.manifest.title}"),
        extension={wording_of(bundle).extension: facts(assessment, bundle)},
    )
    return [card]


def facts(assessment: Assessment, bundle: Bundle) -> dict[str, Any]:
    """The machine-readable result; nothing null, nothing empty."""
    vector = assessment.vector
    known: dict[str, Any] = {
        "outcome": "scored" if isinstance(assessment, Scored) else "not_scored",
        "reason": None if isinstance(assessment, Scored) else assessment.reason,
        "bundle_digest": bundle.digest,
        "mapping_digest": CATALOGUE.digest,
        "variant": bundle.manifest.variant,
        "sources": dict(assessment.sources),
    }
    if isinstance(assessment, Scored):
        known |= {each.score.name: each.score.points for each in assessment.baselines}
        known |= estimate_facts(assessment.score)
    if vector:
        coverage = coverage_of(vector, bundle)
        known |= {
            "known_inputs": coverage.known,
            "total_inputs": coverage.total,
            "timing": vector.timing,
            "prediction_time": vector.prediction_time.isoformat(),
            "profile": vector.profile,
            "profile_detected": vector.profile_detected,
            "vector_digest": vector.digest,
        }
    return {key: value for key, value in known.items() if value is not None and value != {}}


def _card_id(patient_id: str, assessment: Assessment, bundle: Bundle, text: str) -> str:
    """A repeated call that reads the same is the same card: EHRs drop a service's earlier ones."""
    named = "\n".join((patient_id, assessment.encounter_id or "", bundle.digest, text))
    return str(uuid.uuid5(_NAMESPACE, named))


def _indicator(scored: Scored) -> Any:
    if scored.score.probability is not None:
        return "info"
    high = any(each.reading and each.reading.label == "high" for each in scored.baselines)
    return "warning" if high else "info"


def _scored_summary(scored: Scored, bundle: Bundle) -> str:
    if scored.score.probability is not None:
        return wording_of(bundle).summary(scored, scored.score.probability, bundle)
    parts = listed([_in_short(each) for each in scored.baselines])
    coverage = coverage_of(scored.vector, bundle)
    inputs = f"{coverage.known} of {coverage.total} inputs"
    return f"{parts}: 30-day readmission scores {WHEN[scored.vector.timing]}, {inputs}"


def _in_short(baseline: Baseline) -> str:
    name, most = _TITLES[baseline.score.name], baseline.published.max_points
    if baseline.reading is None:
        return f"{name} incomplete"
    return f"{name} {baseline.score.points} of {most} ({baseline.reading.label})"


def _not_scored_summary(not_scored: NotScored, bundle: Bundle) -> str:
    words = wording_of(bundle)
    return f"{words.not_scored}: {words.reasons[not_scored.reason]}"


def _scored_detail(scored: Scored, bundle: Bundle) -> Iterator[str]:
    yield from _head(scored, bundle)
    if scored.baselines:
        drivers = list(_drivers(scored.baselines)) or ["- Nothing that the scores count"]
        yield "**What adds points**\n\n" + "\n".join(drivers)
    yield from _basis(scored.vector, scored.sources, bundle)
    incomplete = [each for each in scored.baselines if each.reading is None]
    for each in incomplete:
        missing = listed([plain(label) for label in each.score.missing])
        yield f"**{_TITLES[each.score.name]} is incomplete:** {missing} not known."
    yield from _about(bundle, scored.vector)


def _head(scored: Scored, bundle: Bundle) -> Iterator[str]:
    """The result: points, or a probability with the points beside it."""
    points, notice = _results(scored.baselines), plain(bundle.manifest.notice)
    compared = [_comparison(scored.base_rate)] if scored.base_rate else []
    probability = scored.score.probability
    if probability is None:
        yield from (points, notice, *compared)
        return
    yield f"**{notice}**"
    yield estimate(scored.score, probability, bundle)
    yield from compared
    yield what_moves(scored.score, scored.vector, bundle.manifest.features)
    if scored.baselines:
        yield f"{BESIDE}\n\n{points}"


def _not_scored_detail(not_scored: NotScored, bundle: Bundle) -> Iterator[str]:
    words = wording_of(bundle)
    if bundle.manifest.kind == "trained":
        yield f"**{plain(bundle.manifest.notice)}**"
    yield f"**Not scored:** {words.reasons[not_scored.reason]}. This is not a low risk."
    if not_scored.missing:
        names = [plain(words.groups.get(name, name)) for name in not_scored.missing]
        yield f"**What is missing:** {listed(names)}."
    if not_scored.vector:
        yield from _basis(not_scored.vector, not_scored.sources, bundle)
    else:
        yield from _unread(not_scored.sources)
    yield from _about(bundle, not_scored.vector)


def _results(baselines: Iterable[Baseline]) -> str:
    lines = ["| score | points | class | published figure |", "|---|---|---|---|"]
    for each in baselines:
        cells = (_TITLES[each.score.name], _points(each), _class(each), _figure(each))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _points(baseline: Baseline) -> str:
    most = baseline.published.max_points
    if baseline.reading is None:
        return f"at least {baseline.score.at_least} of {most}"
    return f"{baseline.score.points} of {most}"


def _class(baseline: Baseline) -> str:
    return plain(baseline.reading.label) if baseline.reading else "not known"


def _figure(baseline: Baseline) -> str:
    reading = baseline.reading
    if reading is None or reading.figure is None:
        return "none"
    return f"{percent(reading.figure)} {plain(baseline.published.outcome)}"


def _comparison(rate: BaseRate) -> str:
    whose = "This site's rate, as set" if rate.origin == "site" else "The bundle's base rate"
    return f"**To compare:** {whose}: {percent(rate.value)} {plain(rate.outcome)} ({plain(rate.cohort)})."


def _drivers(baselines: Iterable[Baseline]) -> Iterator[str]:
    """Each item that adds points, once, with the points it adds to each score."""
    added: dict[str, tuple[str, list[str]]] = {}
    for baseline in baselines:
        for item in baseline.score.components:
            if item.points:
                text = plain(item.shown) + _date(item)
                points = added.setdefault(item.name, (text, []))[1]
                points.append(f"{_TITLES[baseline.score.name]} +{item.points}")
    for text, points in added.values():
        yield f"- {text} ({listed(points)})"


def _date(item: Component) -> str:
    return f", {DATED.get(item.name, '')}{item.date}" if item.date else ""


def _basis(
    vector: FeatureVector, sources: Mapping[str, ReadState], bundle: Bundle
) -> Iterator[str]:
    coverage, words = coverage_of(vector, bundle), wording_of(bundle)
    groups = [f"{words.groups[name]} {n}/{total}" for name, (n, total) in coverage.groups.items()]
    yield f"**Based on {coverage.known} of {coverage.total} inputs:** {listed(groups)}."
    yield from _unread(sources)
    yield from _absent(vector, sources, bundle)
    if vector.issues:
        noticed = [_noticed(each) for each in _by_resource(vector)]
        yield f"**Noticed in the data:** {listed(noticed)}."
    yield f"**When:** {words.timing(vector, bundle)}"


def _unread(sources: Mapping[str, ReadState]) -> Iterator[str]:
    for state, words in (("not_read", "Not read"), ("partial", "Read in part")):
        types = [f"{kind} ({SOURCES[kind]})" for kind, found in sources.items() if found == state]
        if types:
            yield f"**{words}:** {listed(types)}."


def _absent(
    vector: FeatureVector, sources: Mapping[str, ReadState], bundle: Bundle
) -> Iterator[str]:
    """What was looked for and is not there: not what was never read, and no score of ours."""
    inputs = inputs_of(bundle.manifest)
    labels = [
        plain(feature.label)
        for feature, value in zip(CATALOGUE, vector.values, strict=True)
        if feature.name in inputs
        and value in (None, "unknown")
        and all(sources.get(source) == "read" for source in feature.sources)
        and not _cannot_be(feature, vector)
    ]
    if labels:
        more = len(labels) - _NAMED
        tail = f" and {more} more" if more > 0 else ""
        yield f"**Not in the record:** {listed(labels[:_NAMED])}{tail}."


def _cannot_be(feature: Feature, vector: FeatureVector) -> bool:
    """Where the patient goes before discharge; an arrival where there was no ED visit."""
    if feature.name == "discharge_location":
        return vector.timing == "before_discharge"
    in_ed = feature.name in ("arrival_transport", "triage_acuity")
    return in_ed and vector["ed_los_hours"] == 0.0


def _by_resource(vector: FeatureVector) -> Iterable[DataIssue]:
    return tally(DataIssue(each.code, each.resource, each.count) for each in vector.issues)


def _noticed(issue: DataIssue) -> str:
    times = f", {issue.count} times" if issue.count > 1 else ""
    return f"{issue.code.replace('_', ' ')} ({issue.resource}{times})"


def _about(bundle: Bundle, vector: FeatureVector | None) -> Iterator[str]:
    manifest = bundle.manifest
    digest = bundle.digest[:_SHORT_DIGEST]
    yield f"**About:** {plain(manifest.title)}, version {manifest.version}, {digest}.{_read_as(vector)}"
    yield wording_of(bundle).limits


def _read_as(vector: FeatureVector | None) -> str:
    if vector is None:
        return ""
    how = "detected from the data" if vector.profile_detected else "as set"
    return f" Read with the site profile {plain(vector.profile)}, {how}."
