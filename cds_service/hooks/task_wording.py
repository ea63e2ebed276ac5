"""The words of a card that differ between tasks; all others are wording.py's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cds_service.assessment import Scored, coverage_of
from cds_service.hooks.wording import (
    AVERAGES,
    GROUPS,
    LIMITS,
    OUTCOME,
    REASONS,
    TIMINGS,
    WHEN,
    whole_percent,
)
from fhir_mapping.extract import FeatureVector
from model.bundle import Bundle
from model.manifest import Task


@dataclass(frozen=True)
class TaskWording:
    """How the result of one task is said.

    `topic`: code and display of a card's topic. `extension`: the key of the machine-readable
    result, so that nobody takes one task's number for another's. `not_scored` stands before a
    reason, `summary` is the one line of an estimate, `timing` says as of when it holds, `limits`
    ends every card. `follow_up`: whether a draft of a contact after discharge fits beside it.
    """

    topic: tuple[str, str]
    extension: str
    not_scored: str
    outcome: str
    reasons: Mapping[str, str]
    groups: Mapping[str, str]
    summary: Callable[[Scored, float, Bundle], str]
    timing: Callable[[FeatureVector, Bundle], str]
    limits: str
    follow_up: bool


def _readmission_summary(scored: Scored, probability: float, bundle: Bundle) -> str:
    """Under 140 characters: the number, what to hold it against, when, of how much."""
    coverage, rate = coverage_of(scored.vector, bundle), scored.base_rate
    beside = f" ({AVERAGES[rate.origin]} {whole_percent(rate.value)})" if rate else ""
    return (
        f"Estimated 30-day readmission risk {whole_percent(probability)}{beside}"
        f" {WHEN[scored.vector.timing]}, {coverage.known} of {coverage.total} inputs"
    )


def _critical_summary(scored: Scored, probability: float, _: Bundle) -> str:
    """Under 140 characters: the outcome by its whole name, the number, as of when."""
    rate = scored.base_rate
    beside = f" (cohort {whole_percent(rate.value)})" if rate else ""
    return (
        "Intensive care within 12 h of leaving the ED, or death in hospital: estimated"
        f" {whole_percent(probability)}{beside}, as of {_local(scored.vector, '%d %b %H:%M')}"
    )


def _critical_timing(vector: FeatureVector, bundle: Bundle) -> str:
    moment = _local(vector, "%Y-%m-%d %H:%M %Z")
    at_triage = bundle.manifest.variant == "triage"
    clock = "at most one hour after arrival" if at_triage else "at departure, or now until then"
    return f"As of {moment} ({clock}). Time-bound: nothing later is in it."


def _local(vector: FeatureVector, form: str) -> str:
    """The clock of the estimate, in the zone that the visit is written in."""
    return vector.prediction_time.astimezone(vector.zone).strftime(form)


_ED_REASONS = {
    "under_18": "the patient is under 18; the estimate is for adults",
    "not_emergency": "this is not an emergency department visit",
    "not_arrived_yet": "the ED visit has not begun",
    "arrival_time_unknown": "the time of arrival in the ED is not known",
    "departure_time_unknown": "the ED visit is finished but its end is not known",
    "departure_before_arrival": "the ED visit ends before it starts",
    "ed_visit_too_long": "the ED visit has been open for over ten days; one of its dates may be wrong",
    "in_icu_already": "intensive care has begun already",
    "no_open_ed_visit": "no ED visit is in progress",
    "several_open_ed_visits": "several ED visits are in progress; which one is meant is unclear",
}

WORDINGS: Mapping[Task, TaskWording] = {
    "readmission_30d": TaskWording(
        topic=("readmission-30d", "30-day readmission"),
        extension="org.readmit.readmission",
        not_scored="Readmission risk not scored",
        outcome=OUTCOME,
        reasons=REASONS,
        groups=GROUPS,
        summary=_readmission_summary,
        timing=lambda vector, _: TIMINGS[vector.timing],
        limits=LIMITS,
        follow_up=True,
    ),
    "critical_outcome": TaskWording(
        topic=("critical-outcome", "Critical outcome"),
        extension="org.readmit.critical_outcome",
        not_scored="Risk of intensive care or death in hospital not scored",
        outcome="intensive care within 12 h of leaving the ED, or death in hospital",
        reasons={**REASONS, **_ED_REASONS},
        groups={**GROUPS, "this_stay": "this ED visit"},
        summary=_critical_summary,
        timing=_critical_timing,
        limits=(
            "Time-critical predictions are a regulated use, which this site has turned on. For"
            " review by a clinician; regulatory status not determined."
        ),
        follow_up=False,
    ),
}


def wording_of(bundle: Bundle) -> TaskWording:
    """The words of the bundle's task."""
    return WORDINGS[bundle.manifest.task]
