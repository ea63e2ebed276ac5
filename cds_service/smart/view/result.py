"""The result for people: in words as the card has them, and as a drawing against the base rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cds_service.assessment import BaseRate
from cds_service.hooks.cards import summary_of
from cds_service.hooks.wording import INTERVALS, percent, whole_percent
from cds_service.smart.view.drawing import Scale, Span, anchor, scale_of
from cds_service.smart.view.stored import Stored
from model.scoring import Score


@dataclass(frozen=True)
class Mark:
    """A labelled place on the drawing."""

    left: float
    anchor: str
    label: str


@dataclass(frozen=True)
class Gauge:
    """The estimate between nothing and `top`, with its interval, the base rate, the threshold."""

    estimate: Mark
    interval: Span | None
    base_rate: Mark | None
    threshold: Mark | None
    top: str
    described: str


@dataclass(frozen=True)
class Result:
    """`estimate` None: points only, or not scored; then `why_not`."""

    heading: str
    notice: str | None
    estimate: str | None
    outcome: str
    certainty: str | None
    certainty_means: str | None
    compared: str | None
    threshold: str | None
    why_not: str | None
    missing: tuple[str, ...]
    gauge: Gauge | None
    made: str
    timing: str | None


def result_of(stored: Stored) -> Result:
    """From what was kept; nothing is worked out anew but the summary, from the same words."""
    probability = stored.row["probability"]
    score = stored.contents.score if stored.contents else None
    rate = stored.contents.base_rate if stored.contents else None
    interval = score.interval if score else None
    name, meaning = INTERVALS[bool(score and score.interval_holds)]
    scored = probability is not None
    return Result(
        heading=_heading(stored),
        notice=_notice(stored),
        estimate=whole_percent(probability) if scored else None,
        outcome=_outcome(stored),
        certainty=_between(name, interval) if interval else None,
        certainty_means=meaning if interval else None,
        compared=_compared(rate) if rate else None,
        threshold=_threshold(stored.row) if scored else None,
        why_not=_why_not(stored),
        missing=_missing(stored),
        gauge=_gauge(probability, score, rate, stored.row["threshold"]) if scored else None,
        made=f"{stored.kept.made_at:%Y-%m-%d %H:%M %Z}",
        timing=_timing(stored),
    )


def _heading(stored: Stored) -> str:
    """The card's own line."""
    card = stored.contents.card if stored.contents else None
    if card:
        return str(card["summary"])
    if stored.assessment and stored.bundle:
        return summary_of(stored.assessment, stored.bundle)
    if stored.row["outcome"] != "scored":
        return f"{stored.words.not_scored}: {_why_not(stored)}"
    probability = stored.row["probability"]
    said = whole_percent(probability) if probability is not None else "points only"
    return f"{stored.words.topic[1]}: {said}"


def _why_not(stored: Stored) -> str | None:
    """In words; its code where another service made it, which is offered no more."""
    reason = stored.row["reason"]
    return stored.words.reasons.get(reason, reason) if reason else None


def _notice(stored: Stored) -> str | None:
    return stored.bundle.manifest.notice if stored.bundle else None


def _outcome(stored: Stored) -> str:
    rate = stored.bundle.manifest.base_rate if stored.bundle else None
    return rate.outcome if rate else stored.words.outcome


def _between(name: str, interval: tuple[float, float]) -> str:
    low, high = map(whole_percent, interval)
    return f"{name[:1].upper()}{name[1:]}: {low} to {high}"


def _compared(rate: BaseRate) -> str:
    whose = "This site's rate, as set" if rate.origin == "site" else "The bundle's base rate"
    return f"{whose}: {percent(rate.value)} {rate.outcome} ({rate.cohort})."


def _threshold(row: Mapping[str, Any]) -> str | None:
    if row["threshold"] is None:
        return None
    where = "At or above" if row["alerted"] else "Below"
    return f"{where} the threshold of {percent(row['threshold'])}."


def _missing(stored: Stored) -> tuple[str, ...]:
    names = stored.contents.missing if stored.contents else ()
    return tuple(stored.words.groups.get(name, name) for name in names)


def _timing(stored: Stored) -> str | None:
    if stored.vector is None or stored.bundle is None:
        return None
    return stored.words.timing(stored.vector, stored.bundle)


def _gauge(
    probability: float, score: Score | None, rate: BaseRate | None, threshold: float | None
) -> Gauge:
    interval = score.interval if score else None
    shares = [probability, *(interval or ()), *([rate.value] if rate else ())]
    scale = scale_of([*shares, *([threshold] if threshold is not None else ())])
    said = [f"The estimate is {whole_percent(probability)}"]
    said += (
        [f"its interval runs from {' to '.join(map(whole_percent, interval))}"] if interval else []
    )
    said += [f"the base rate is {whole_percent(rate.value)}"] if rate else []
    return Gauge(
        estimate=_mark(scale, probability, whole_percent(probability)),
        interval=scale.between(*interval) if interval else None,
        base_rate=_mark(scale, rate.value, f"base rate {whole_percent(rate.value)}")
        if rate
        else None,
        threshold=None
        if threshold is None
        else _mark(scale, threshold, f"threshold {percent(threshold)}"),
        top=whole_percent(scale.high) if scale.high < 1.0 else "100 %",
        described=f"{'; '.join(said)}.",
    )


def _mark(scale: Scale, value: float, label: str) -> Mark:
    left = scale.at(value)
    return Mark(left, anchor(left), label)


def shown_time(at: datetime, stored: Stored) -> str:
    """A time for people, in the stay's own zone."""
    return f"{at.astimezone(stored.kept.zone):%Y-%m-%d %H:%M}"
