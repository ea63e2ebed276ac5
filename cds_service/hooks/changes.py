"""The part of a card that says what changed since the stay's earlier card. Pure.

Which changes call for another card is decided in materiality.py.
"""

from collections.abc import Iterator
from datetime import datetime

from cds_service.assessment import Assessment, Scored
from cds_service.hooks.basis import named
from cds_service.hooks.estimate import shown_value
from cds_service.hooks.materiality import (
    changed_features,
    class_of,
    newly_read,
    no_longer_read,
)
from cds_service.hooks.points import TITLES
from cds_service.hooks.said import Said
from cds_service.hooks.task_wording import wording_of
from cds_service.hooks.wording import (
    BUNDLE_CHANGED,
    CHANGED,
    CROSSED,
    INPUTS_GONE,
    OUTCOME_CHANGED,
    SPOKEN_FOR,
    THRESHOLD_GONE,
    TIMING_CHANGED,
    UNKNOWN,
    listed,
    plain,
    whole_percent,
)
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.scores import PointScore
from model.bundle import Bundle
from model.scoring import Value

_MOST = 5


def what_changed(
    before: Said, now: Said, *, since: datetime, assessment: Assessment, bundle: Bundle
) -> str:
    """The section for a new card, with the time of the earlier one."""
    lines = [
        *_result(before, now, bundle),
        *_points(before, now, assessment, bundle),
        *_read(before, now),
        *_inputs(before, now, assessment, bundle),
    ]
    title = f"**{CHANGED} {since:%Y-%m-%d %H:%M} UTC**"
    return "\n".join((title, "", *(f"- {line}" for line in lines)))


def _result(before: Said, now: Said, bundle: Bundle) -> Iterator[str]:
    if (before.outcome, before.reason) != (now.outcome, now.reason):
        yield OUTCOME_CHANGED.format(_outcome(now, bundle), _outcome(before, bundle))
    if before.timing != now.timing and now.timing and before.timing:
        yield TIMING_CHANGED[now.timing]
    if (before.bundle_digest, before.mapping_digest) != (now.bundle_digest, now.mapping_digest):
        yield BUNDLE_CHANGED
    if before.probability is not None and now.probability is not None:
        yield (
            f"Estimated risk: {whole_percent(now.probability)},"
            f" before {whole_percent(before.probability)}"
        )
    if before.alerted != now.alerted and now.probability is not None:
        yield CROSSED[now.alerted] if now.threshold is not None else THRESHOLD_GONE


def _outcome(said: Said, bundle: Bundle) -> str:
    return f"not scored, {wording_of(bundle).reasons[said.reason]}" if said.reason else "scored"


def _points(before: Said, now: Said, assessment: Assessment, bundle: Bundle) -> Iterator[str]:
    """Each score whose points differ, with the items that did it."""
    if before.outcome != now.outcome or not isinstance(assessment, Scored):
        return
    for score in (each.score for each in assessment.baselines):
        if before.points[score.name] != now.points[score.name]:
            was, is_now = (_reading(said, score.name, bundle) for said in (before, now))
            items = [f"; {each}" for each in _items(before, score)]
            yield f"{TITLES[score.name]}: {is_now}, before {was}{''.join(items)}"


def _items(before: Said, score: PointScore) -> Iterator[str]:
    if before.items is None:
        return
    earlier = before.items.get(score.name, {})
    for item in score.components:
        was, is_now = earlier.get(item.name), item.points
        if was != is_now:
            yield f"{plain(item.label)} {_or_unknown(is_now)}, before {_or_unknown(was)}"


def _or_unknown(points: int | None) -> str:
    return UNKNOWN if points is None else str(points)


def _reading(said: Said, score: str, bundle: Bundle) -> str:
    points = said.points[score]
    if points is None:
        return "incomplete"
    found = class_of(said, score, bundle)
    return (
        f"{points} of {bundle.published[score].max_points}{f' ({plain(found)})' if found else ''}"
    )


def _read(before: Said, now: Said) -> Iterator[str]:
    for words, kinds in (
        ("Newly read", newly_read(before, now)),
        ("No longer read", no_longer_read(before, now)),
    ):
        if kinds:
            yield f"{words}: {listed([named(kind) for kind in kinds])}"


def _inputs(before: Said, now: Said, assessment: Assessment, bundle: Bundle) -> Iterator[str]:
    """At most five, those first that weigh most in the present estimate."""
    if before.sources is None:  # they are kept of every card: its contents were purged
        yield INPUTS_GONE
    if before.values is None or now.values is None:
        return
    differing = changed_features(before, now, bundle)
    values = dict(zip(CATALOGUE.names, zip(before.values, now.values, strict=True), strict=True))
    weights = _weights(assessment)
    spoken = _one_for_each_concept(differing)
    ordered = sorted(
        spoken, key=lambda each: (-weights.get(each.concept, 0.0), -_distance(*values[each.name]))
    )
    lines = (_input(each, *values[each.name]) for each in ordered)
    yield from [line for line in lines if line][:_MOST]


def _weights(assessment: Assessment) -> dict[str, float]:
    contributions = assessment.score.contributions if isinstance(assessment, Scored) else ()
    return {each.concept: abs(each.amount) for each in contributions}


def _one_for_each_concept(names: frozenset[str]) -> list[Feature]:
    """Inputs that say one thing are named once; a score of ours only repeats its inputs."""
    chosen: dict[str, Feature] = {}
    for feature in CATALOGUE:
        if feature.name in names and not feature.derived:
            first = chosen.setdefault(feature.concept, feature)
            if first is not feature and SPOKEN_FOR.get(feature.concept) == feature.name:
                chosen[feature.concept] = feature
    return list(chosen.values())


def _distance(old: Value, new: Value) -> float:
    """How far apart two values are, whatever their unit: 1 where one is missing or a category."""
    if isinstance(old, float) and isinstance(new, float):
        return abs(new - old) / max(abs(old), abs(new))
    return 1.0


def _input(feature: Feature, old: Value, new: Value) -> str:
    was, is_now = (plain(_shown(feature, value)) for value in (old, new))
    return f"{plain(feature.label)}: {is_now}, before {was}" if was != is_now else ""


def _shown(feature: Feature, value: Value) -> str:
    return UNKNOWN if value == "unknown" else shown_value(feature, value)
