"""Stored assessments as JSON: what `GET /assessments` answers. docs/reference/read-api.md."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cds_service.hooks.said import SCORES
from cds_service.recalled import Recalled


class _Sent(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseRate(_Sent):
    """What the probability was shown beside."""

    value: float
    origin: Literal["site", "bundle"]
    outcome: str
    cohort: str


class Summary(_Sent):
    """One assessment. `null` says: there is none, or it was purged."""

    id: str = Field(description="The id that cards and links carry.")
    service: str = Field(description="The service that was called.")
    patient: str = Field(description="The client's id of the patient.")
    encounter: str | None = Field(description="The client's id of the stay.")
    made_at: datetime = Field(description="When the call was received.")
    prediction_time: datetime | None = Field(description="Up to when anything was known.")
    timing: str | None = Field(description="at_discharge or before_discharge.")
    outcome: Literal["scored", "not_scored"] = Field(description="Whether there is a score.")
    reason: str | None = Field(description="Why there is no score, as a code.")
    probability: float | None = Field(description="From 0 to 1; null where only points are given.")
    interval: tuple[float, float] | None = Field(
        description="What the probability lies in, as far as can be said."
    )
    interval_holds: bool | None = Field(description="Whether it is a 90 % interval that held.")
    base_rate: BaseRate | None = Field(
        description="What the probability was shown beside: value, origin, outcome, cohort."
    )
    points: dict[str, int] = Field(description="Point scores that could be counted.")
    known_inputs: int | None = Field(description="How many of the inputs were known.")
    alerted: bool | None = Field(description="Whether its card warned.")
    threshold: float | None = Field(description="From which probability the card warns.")
    card: str | None = Field(description="The card, as feedback names it.")
    profile: str | None = Field(description="The site profile that read the record.")
    bundle_digest: str = Field(description="SHA-256 of the bundle's manifest.")
    mapping_digest: str = Field(description="SHA-256 of the catalogue.")
    vector_digest: str | None = Field(description="SHA-256 of the inputs.")


class Contribution(_Sent):
    """How far a concept moved the log-odds away from the reference patient's."""

    concept: str
    log_odds: float


class Source(_Sent):
    """What a feature rests on; `reference` is empty where a zero rests on finding nothing."""

    feature: str
    reference: str
    version: str
    time: str
    received: str
    received_unit: str
    value: float | str | None
    unit: str
    reason: str


class Assessed(Summary):
    """One assessment with what was kept of its inputs."""

    kept: bool = Field(
        description="Whether the inputs are still kept; where not, all below is empty."
    )
    contributions: tuple[Contribution, ...] = Field(
        description="Every concept's part of the distance from the reference patient's log-odds."
    )
    not_attributed: float | None = Field(description="What the method leaves over of it.")
    missing: tuple[str, ...] = Field(description="What a score would have needed.")
    sources: dict[str, str] = Field(description="How much of each resource type was read.")
    evidence: tuple[Source, ...] = Field(
        description="What each input rests on: resource, version, value as received and as used."
    )


class Assessments(_Sent):
    """A page of a patient's assessments, newest first; `next`: the address of the next page."""

    assessments: tuple[Summary, ...]
    total: int
    next: str | None


def summary(found: Recalled) -> Summary:
    """An entry of the list."""
    return Summary(**_of_row(found))


def assessed(found: Recalled) -> Assessed:
    """One assessment, whole."""
    kept = found.contents
    score = kept.score if kept else None
    contributions = score.contributions if score else ()
    return Assessed(
        **_of_row(found),
        kept=kept is not None,
        contributions=tuple(
            Contribution(concept=each.concept, log_odds=each.amount) for each in contributions
        ),
        not_attributed=score.not_attributed if score and score.contributions else None,
        missing=kept.missing if kept else (),
        sources=kept.sources if kept else {},
        evidence=tuple(_source(each) for each in (kept.evidence if kept else ())),
    )


def _source(evidence: Any) -> Source:
    return Source(**{name: getattr(evidence, name) for name in Source.model_fields})


def _of_row(found: Recalled) -> dict[str, Any]:
    row, kept = found.row, found.contents
    score = kept.score if kept else None
    rate = kept.base_rate if kept else None
    return {
        "id": row["uuid"],
        "service": row["service_id"],
        "patient": row["patient_id"],
        "encounter": row["encounter_id"],
        "made_at": row["created_at"],
        "interval": score.interval if score else None,
        "interval_holds": score.interval_holds if score and score.interval else None,
        "base_rate": BaseRate(**vars(rate)) if rate else None,
        "points": {n: row[f"{n}_points"] for n in SCORES if row[f"{n}_points"] is not None},
        "card": row["card_uuid"],
        **{name: row[name] for name in _COLUMNS},
    }


_COLUMNS = (
    "prediction_time", "timing", "outcome", "reason", "probability", "known_inputs", "alerted",
    "threshold", "profile", "bundle_digest", "mapping_digest", "vector_digest",
)  # fmt: skip
"""Those that have the row's own name."""
