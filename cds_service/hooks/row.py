"""The row that is kept of a hook call: ids, digests and results, no value of the record. Pure."""

from typing import Any

from cds_service.assessment import Assessment, Scored, coverage_of
from cds_service.hooks.call import HookCall
from cds_service.hooks.cards import Occasion
from cds_service.hooks.showing import Showing
from fhir_mapping.catalogue import CATALOGUE


def row_of(
    call: HookCall, assessment: Assessment, occasion: Occasion, shown: Showing
) -> dict[str, Any]:
    """The columns of AssessmentRow, but for how long it took."""
    return _of_call(call, occasion) | _of_assessment(assessment, occasion) | shown.columns


def _of_call(call: HookCall, occasion: Occasion) -> dict[str, Any]:
    return {
        "uuid": occasion.assessment_uuid,
        "tenant": occasion.tenant.name,
        "created_at": call.received,
        "hook": call.hook,
        "hook_instance": call.hook_instance,
        "service_id": occasion.service_id,
        "user_id": call.user_id,
        "fhir_server": occasion.fhir_server,
        "patient_id": call.patient_id,
    }


def _of_assessment(assessment: Assessment, occasion: Occasion) -> dict[str, Any]:
    vector, bundle = assessment.vector, occasion.bundle
    scored = assessment if isinstance(assessment, Scored) else None
    points = {b.score.name: b.score.points for b in scored.baselines} if scored else {}
    return {
        "encounter_id": assessment.encounter_id,
        "outcome": "scored" if scored else "not_scored",
        "reason": None if isinstance(assessment, Scored) else assessment.reason,
        "probability": scored.score.probability if scored else None,
        "lace_points": points.get("lace"),
        "hospital_points": points.get("hospital"),
        "known_inputs": coverage_of(vector, bundle).known if vector else None,
        "timing": vector.timing if vector else None,
        "prediction_time": vector.prediction_time if vector else None,
        "profile": vector.profile if vector else None,
        "bundle_digest": bundle.digest,
        "mapping_digest": CATALOGUE.digest,
        "vector_digest": vector.digest if vector else None,
    }
