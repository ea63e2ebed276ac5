"""The part of a card that says a probability: how sure it is, and what moves it. Pure.

Words are in wording.py; which card it belongs to is cards.py's business.
"""

from collections.abc import Collection
from typing import Any

from cds_service.hooks.task_wording import wording_of
from cds_service.hooks.wording import (
    CONCEPTS,
    INTERVALS,
    MOVES,
    NOTHING_MOVES,
    SPOKEN_FOR,
    UNITS,
    UNKNOWN,
    moved,
    plain,
    whole_percent,
)
from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector
from model.bundle import Bundle
from model.scoring import Contribution, Score, Value

_MOST = 5
_LEAST = 0.005  # log-odds; less is 0.00 in two decimals


def estimate(score: Score, probability: float, bundle: Bundle) -> str:
    """The probability of the bundle's outcome with what is said of its certainty."""
    rate = bundle.manifest.base_rate
    of = plain(rate.outcome if rate else wording_of(bundle).outcome)
    said = f"**Estimated risk: {whole_percent(probability)}** {of}"
    if score.interval is None:
        return f"{said}."
    low, high = map(whole_percent, score.interval)
    name, meaning = INTERVALS[score.interval_holds]
    return f"{said} ({name}: {low} to {high}). {meaning}"


def what_moves(score: Score, vector: FeatureVector, taken: Collection[str]) -> str:
    """Some concepts, largest first, and the rest of the distance, so that it adds up.

    `taken`: the features that the network takes; the value of no other one is shown.
    """
    shown = largest(score)
    lines = [_line(*concept(each.concept, vector, taken), each.amount) for each in shown]
    others = sum(each.amount for each in score.contributions) - sum(e.amount for e in shown)
    rest = (
        f"- All other inputs together ({others:+.2f}), not attributed ({score.not_attributed:+.3f})"
    )
    return "\n".join((MOVES, "", *(lines or [NOTHING_MOVES]), rest))


def largest(score: Score) -> tuple[Contribution, ...]:
    """At most five, none of them too small to be seen."""
    return tuple(each for each in score.contributions[:_MOST] if abs(each.amount) >= _LEAST)


def estimate_facts(score: Score) -> dict[str, Any]:
    """The machine-readable part; `contributions` are those on the card."""
    if score.probability is None:
        return {}
    shown = [{"concept": e.concept, "log_odds": round(e.amount, 4)} for e in largest(score)]
    return {
        "probability": score.probability,
        "interval": list(score.interval) if score.interval else None,
        "interval_holds": score.interval_holds if score.interval else None,
        "contributions": shown or None,
        "not_attributed": round(score.not_attributed, 4),
    }


def _line(name: str, shown: str, amount: float) -> str:
    return moved(plain(name), plain(shown), amount)


def concept(name: str, vector: FeatureVector, taken: Collection[str]) -> tuple[str, str]:
    """What it is called in the catalogue's words, and its value in this patient; not escaped."""
    features = [each for each in CATALOGUE if each.concept == name and each.name in taken]
    called = CONCEPTS.get(name, features[0].label)
    return called, _shown(SPOKEN_FOR.get(name), features, vector)


def _shown(spoken_for: str | None, features: list[Feature], vector: FeatureVector) -> str:
    if all(vector[feature.name] in (None, "unknown") for feature in features):
        return UNKNOWN
    if len(features) == 1:
        return shown_value(features[0], vector[features[0].name])
    for feature in features:
        if feature.name == spoken_for:
            return f"{feature.label}: {shown_value(feature, vector[feature.name])}"
    if all(feature.kind == "binary" for feature in features):
        found = any(vector[feature.name] == 1.0 for feature in features)
        return "recorded" if found else "not recorded"
    return ""


def shown_value(feature: Feature, value: Value) -> str:
    """A value in people's words, with its unit."""
    if value is None:
        return UNKNOWN
    if isinstance(value, str):
        return value.replace("_", " ")
    if feature.kind == "binary":
        return "yes" if value else "no"
    number = f"{value:.1f}".removesuffix(".0")
    unit = "" if feature.unit.startswith("{") else UNITS.get(feature.unit, feature.unit)
    return f"{number} {unit}".strip()
