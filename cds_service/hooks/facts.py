"""The machine-readable result on a card: its member of `extension`. Nothing that the card hides."""

from typing import Any

from cds_service.assessment import Assessment, Scored, coverage_of
from cds_service.hooks.alerts import Verdict
from cds_service.hooks.estimate import estimate_facts
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.extract import FeatureVector
from model.bundle import Bundle

ITEMS = "items"


def facts(
    assessment: Assessment, bundle: Bundle, *, verdict: Verdict, assessment_uuid: str
) -> dict[str, Any]:
    """The result; its `assessment` is the opaque id under which the service keeps it."""
    scored = isinstance(assessment, Scored)
    known: dict[str, Any] = {
        "assessment": assessment_uuid,
        "outcome": "scored" if scored else "not_scored",
        "reason": None if isinstance(assessment, Scored) else assessment.reason,
        "bundle_digest": bundle.digest,
        "mapping_digest": CATALOGUE.digest,
        "variant": bundle.manifest.variant,
        "sources": dict(assessment.sources),
    }
    if isinstance(assessment, Scored):
        known |= {each.score.name: each.score.points for each in assessment.baselines}
        known |= {ITEMS: items_of(assessment)} | estimate_facts(assessment.score)
        known |= {"threshold": verdict.threshold, "alerted": verdict.warns}
    if assessment.vector:
        known |= _of_vector(assessment.vector, bundle)
    return {key: value for key, value in known.items() if value is not None and value != {}}


def items_of(scored: Scored) -> dict[str, dict[str, int]]:
    """For each point score the points of each item that could be told."""
    return {
        each.score.name: {
            item.name: item.points for item in each.score.components if item.points is not None
        }
        for each in scored.baselines
    }


def _of_vector(vector: FeatureVector, bundle: Bundle) -> dict[str, Any]:
    coverage = coverage_of(vector, bundle)
    return {
        "known_inputs": coverage.known,
        "total_inputs": coverage.total,
        "timing": vector.timing,
        "prediction_time": vector.prediction_time.isoformat(),
        "profile": vector.profile,
        "profile_detected": vector.profile_detected,
        "vector_digest": vector.digest,
    }
