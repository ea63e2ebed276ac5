"""The CDS Hooks endpoints: discovery, and the call. Thin: parse, assess, store, answer."""

from time import perf_counter
from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from fastapi.responses import Response

from cds_service import metrics
from cds_service.assessment import Assessment, Assessor, Scored, assess, coverage_of
from cds_service.dependencies import Body, Client, NewId, State
from cds_service.hooks.alerts import WINDOW
from cds_service.hooks.call import HookCall, read_call
from cds_service.hooks.cards import Occasion
from cds_service.hooks.discovery import described
from cds_service.hooks.said import contents_of
from cds_service.hooks.schemas import CardResponse, Discovery
from cds_service.hooks.showing import Showing, showing
from cds_service.observability import note
from cds_service.records import gather
from cds_service.storage.store import Store
from cds_service.tracing import span
from fhir_mapping.catalogue import CATALOGUE

JSON = "application/json"
_LARGE = 256 * 1024

router = APIRouter()


@router.get("/cds-services")
def discovery(state: State, client: Client) -> Response:
    """CDS Hooks 2.0, Discovery: each service under each of its hooks."""
    listed = [
        described(service, hook, client)
        for service in state.services.values()
        for hook in service.hooks
    ]
    body = Discovery(services=listed).model_dump_json(by_alias=True)
    return Response(body, media_type=JSON)


@router.post("/cds-services/{service_id}")
async def call_service(
    service_id: str, body: Body, state: State, client: Client, assessment_id: NewId
) -> Response:
    """CDS Hooks 2.0, Calling a CDS Service. The row is written before the answer leaves."""
    started = perf_counter()
    service = state.service(service_id)
    assessor = service.of(client)
    call = read_call(body, state.clock(), hooks=service.hooks)
    note(hook=call.hook, service_id=service.id, bundle=assessor.bundle.digest)
    with span("hook", service=service.id):
        assessment = await _assessment(call, assessor)
        occasion = Occasion(
            tenant=client,
            service_id=service.id,
            patient_id=call.patient_id,
            assessment_uuid=assessment_id,
            at=call.received,
            bundle=assessor.bundle,
        )
        shown = await _showing(assessment, occasion, state.store)
        row = _row(call, assessment, occasion, perf_counter() - started) | shown.columns
        with span("store"):
            await state.store.add_assessment(row, contents_of(assessment, shown.card))
    metrics.assessed(client.name, service.id, outcome=row["outcome"], reason=row["reason"])
    return Response(CardResponse(cards=shown.cards).wire(), media_type=JSON)


def assessed(call: HookCall, assessor: Assessor) -> Assessment:
    """From request to assessment."""
    with span("gather", keys=len(call.prefetch)) as said:
        gathered = gather(
            call.prefetch, call.patient_id, encounter_id=call.encounter_id, asked=assessor.asked
        )
        said("resources", len(gathered.resources))
    with span("assess") as said:
        assessment = assess(gathered, call.encounter_id, call.received, assessor=assessor)
        said("outcome", "scored" if isinstance(assessment, Scored) else "not_scored")
    return assessment


async def _assessment(call: HookCall, assessor: Assessor) -> Assessment:
    """In a thread where it takes long, so that other calls need not wait: a network explains its
    answer, or the record is large."""
    if call.size <= _LARGE and assessor.bundle.trained is None:
        assessment = assessed(call, assessor)
    else:
        assessment = await anyio.to_thread.run_sync(assessed, call, assessor)
    note(outcome="scored" if isinstance(assessment, Scored) else "not_scored")
    return assessment


async def _showing(assessment: Assessment, occasion: Occasion, store: Store) -> Showing:
    """With the card that the stay has already, and the recent stays where a capacity is the rule."""
    tenant, service_id = occasion.tenant, occasion.service_id
    earlier = await store.shown(
        tenant.name,
        service_id=service_id,
        patient_id=occasion.patient_id,
        encounter_id=assessment.encounter_id,
    )
    by_capacity = tenant.alert(service_id).per_day is not None
    recent = (
        await store.first_probabilities(
            tenant.name, service_id=service_id, since=occasion.at - WINDOW
        )
        if by_capacity
        else ()
    )
    return showing(assessment, occasion, earlier=earlier, recent=recent)


def _row(
    call: HookCall, assessment: Assessment, occasion: Occasion, seconds: float
) -> dict[str, Any]:
    vector, bundle = assessment.vector, occasion.bundle
    scored = assessment if isinstance(assessment, Scored) else None
    points = {b.score.name: b.score.points for b in scored.baselines} if scored else {}
    return {
        "uuid": occasion.assessment_uuid,
        "tenant": occasion.tenant.name,
        "created_at": call.received,
        "hook": call.hook,
        "hook_instance": call.hook_instance,
        "service_id": occasion.service_id,
        "user_id": None,
        "patient_id": call.patient_id,
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
        "duration_ms": round(seconds * 1000, 3),
    }
