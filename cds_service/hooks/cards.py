"""An assessment as the one CDS Hooks card of its stay. Pure: the same gives the same card and uuid.

Nothing is `critical`; what warns is decided in alerts.py, whether a card is shown in showing.py.
Not scored is always a card that says so.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from cds_service.assessment import Assessment, BaseRate, NotScored, Scored, coverage_of
from cds_service.hooks import points
from cds_service.hooks.alerts import Verdict
from cds_service.hooks.basis import basis, unread
from cds_service.hooks.estimate import estimate, what_moves
from cds_service.hooks.facts import facts
from cds_service.hooks.follow_up import follow_up
from cds_service.hooks.override_reasons import OVERRIDE_REASONS
from cds_service.hooks.schemas import Card, Coding, Link, Source, Suggestion
from cds_service.hooks.task_wording import wording_of
from cds_service.hooks.wording import (
    APP_LABEL,
    BESIDE,
    BY_CAPACITY,
    BY_WEIGHING,
    INFORMS,
    NO_THRESHOLD_YET,
    SET_BY_SITE,
    TOPIC_SYSTEM,
    UNROUNDED,
    WARNS,
    WHEN,
    listed,
    percent,
    plain,
    rounded_percent,
)
from cds_service.tenants import Alert, Tenant
from fhir_mapping.extract import FeatureVector
from model.bundle import Bundle

_NAMESPACE = uuid.UUID("6a3c7f0e-8d5b-5c1f-9f39-4f6d2f1b7a55")
_SHORT_DIGEST = 12


@dataclass(frozen=True)
class Occasion:
    """One call, as far as a card depends on it: who asks, of whom, when, answered by which bundle.

    `assessment_uuid` is the opaque id under which the assessment is kept. `fhir_server`: whose ids
    patient and stay have, None where that is not known.
    """

    tenant: Tenant
    service_id: str
    patient_id: str
    assessment_uuid: str
    at: datetime
    bundle: Bundle
    fhir_server: str | None = None


@dataclass(frozen=True)
class Succession:
    """Why a card replaces the stay's earlier one: that one's uuid, and the section that says it."""

    of: str
    words: str


def card_of(
    assessment: Assessment,
    occasion: Occasion,
    verdict: Verdict,
    *,
    succession: Succession | None = None,
    known_as: str | None = None,
) -> Card:
    """The card; `known_as` is its uuid where it stands in for one that was purged."""
    summary, parts = summary_of(assessment, occasion.bundle), _detail(assessment, occasion, verdict)
    if succession:
        parts.insert(1, succession.words)
    detail = "\n\n".join(parts)
    name = known_as or _card_id(assessment, occasion, summary + detail, succession)
    suggestions = tuple(_suggestions(assessment, occasion, name))
    result = facts(
        assessment, occasion.bundle, verdict=verdict, assessment_uuid=occasion.assessment_uuid
    )
    return Card(
        uuid=name,
        summary=summary,
        detail=detail,
        indicator="warning" if verdict.warns else "info",
        source=_source(occasion.bundle),
        suggestions=suggestions,
        selection_behavior="any" if suggestions else None,
        override_reasons=OVERRIDE_REASONS,
        links=tuple(_links(occasion)),
        extension={wording_of(occasion.bundle).extension: result},
    )


def _card_id(
    assessment: Assessment, occasion: Occasion, text: str, succession: Succession | None
) -> str:
    """What reads the same of the same stay is the same card, unless it replaces another one."""
    on = (occasion.tenant.name, occasion.service_id, occasion.fhir_server or "")
    stay = (*on, occasion.patient_id, assessment.encounter_id)
    replaced = succession.of if succession else ""
    named = "\n".join((*(part or "" for part in stay), occasion.bundle.digest, replaced, text))
    return str(uuid.uuid5(_NAMESPACE, named))


def _source(bundle: Bundle) -> Source:
    code, display = wording_of(bundle).topic
    topic = Coding(code=code, system=TOPIC_SYSTEM, display=display)
    return Source(label=f"Readmit - {bundle.manifest.title}", topic=topic)


def _suggestions(
    assessment: Assessment, occasion: Occasion, card_uuid: str
) -> Iterator[Suggestion]:
    kind = occasion.tenant.follow_up
    after_discharge = wording_of(occasion.bundle).follow_up
    if after_discharge and isinstance(assessment, Scored) and kind != "none":
        yield follow_up(
            kind,
            card_uuid,
            patient_id=occasion.patient_id,
            encounter_id=assessment.encounter_id,
            at=occasion.at,
        )


def _links(occasion: Occasion) -> Iterator[Link]:
    address = occasion.tenant.smart_launch
    if address:
        yield Link(label=APP_LABEL, url=address, type="smart", app_context=occasion.assessment_uuid)


def summary_of(assessment: Assessment, bundle: Bundle) -> str:
    """A card's one line; under 140 characters."""
    if isinstance(assessment, NotScored):
        words = wording_of(bundle)
        return f"{words.not_scored}: {words.reasons[assessment.reason]}"
    if assessment.score.probability is not None:
        return wording_of(bundle).summary(assessment, assessment.score.probability, bundle)
    coverage = coverage_of(assessment.vector, bundle)
    inputs = f"{coverage.known} of {coverage.total} inputs"
    when = WHEN[assessment.vector.timing]
    return f"{points.in_short(assessment.baselines)}: 30-day readmission scores {when}, {inputs}"


def _detail(assessment: Assessment, occasion: Occasion, verdict: Verdict) -> list[str]:
    if isinstance(assessment, NotScored):
        return list(_not_scored(assessment, occasion.bundle))
    return list(_scored(assessment, occasion.bundle, verdict))


def _scored(scored: Scored, bundle: Bundle, verdict: Verdict) -> Iterator[str]:
    yield from _head(scored, bundle, verdict)
    if scored.baselines:
        yield points.drivers(scored.baselines)
    yield from basis(scored.vector, scored.sources, bundle)
    yield from points.incomplete(scored.baselines)
    yield from _about(bundle, scored.vector)


def _head(scored: Scored, bundle: Bundle, verdict: Verdict) -> Iterator[str]:
    """The result: points, or a probability with the points beside it."""
    notice = plain(bundle.manifest.notice)
    compared = [_comparison(scored.base_rate)] if scored.base_rate else []
    probability = scored.score.probability
    if probability is None:
        yield from (points.table(scored.baselines), notice, *compared)
        return
    yield f"**{notice}**"
    yield estimate(scored.score, probability, bundle)
    yield from _threshold(verdict, probability)
    yield from compared
    yield what_moves(scored.score, scored.vector, bundle.manifest.features)
    if scored.baselines:
        yield f"{BESIDE}\n\n{points.table(scored.baselines)}"


def _threshold(verdict: Verdict, probability: float) -> Iterator[str]:
    """Whether the card warns and by whose threshold; nothing where the site has no rule."""
    if verdict.threshold is not None:
        sentence = WARNS if verdict.warns else INFORMS
        said = sentence.format(percent(verdict.threshold), _origin(verdict.rule))
        yield said + _where_rounding_hides_it(verdict, probability, verdict.threshold)
    elif verdict.rule.per_day is not None:
        yield NO_THRESHOLD_YET


def _where_rounding_hides_it(verdict: Verdict, probability: float, threshold: float) -> str:
    """The shown whole percent may lie on the other side of the threshold than the estimate does."""
    if (rounded_percent(probability) >= 100 * threshold) == verdict.warns:
        return ""
    return UNROUNDED.format(100 * probability, 100 * threshold)


def _origin(rule: Alert) -> str:
    if rule.per_day is not None:
        return BY_CAPACITY.format(rule.per_day)
    if rule.missed_per_false is not None:
        return BY_WEIGHING.format(rule.missed_per_false)
    return SET_BY_SITE


def _comparison(rate: BaseRate) -> str:
    whose = "This site's rate, as set" if rate.origin == "site" else "The bundle's base rate"
    return f"**To compare:** {whose}: {percent(rate.value)} {plain(rate.outcome)} ({plain(rate.cohort)})."


def _not_scored(not_scored: NotScored, bundle: Bundle) -> Iterator[str]:
    if bundle.manifest.kind == "trained":
        yield f"**{plain(bundle.manifest.notice)}**"
    words = wording_of(bundle)
    yield f"**Not scored:** {words.reasons[not_scored.reason]}. This is not a low risk."
    if not_scored.missing:
        names = [plain(words.groups.get(name, name)) for name in not_scored.missing]
        yield f"**What is missing:** {listed(names)}."
    if not_scored.vector:
        yield from basis(not_scored.vector, not_scored.sources, bundle)
    else:
        yield from unread(not_scored.sources)
    yield from _about(bundle, not_scored.vector)


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
