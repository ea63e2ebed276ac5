"""The CDS Hooks endpoints: discovery, and the call. Thin: parse, assess, store, answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import anyio.to_thread
from fastapi import APIRouter
from fastapi.responses import Response

from cds_service.answers import Fetched
from cds_service.assessment import Assessment, Assessor, Scored, assess, coverage_of
from cds_service.dependencies import Body, Client, FhirClient, ServiceState, State
from cds_service.errors import UnknownServiceError
from cds_service.fetching import fetch_lacking, server_of
from cds_service.hooks.call import HookCall, read_call
from cds_service.hooks.cards import cards_for
from cds_service.hooks.schemas import Card, CardResponse, Discovery, Service
from cds_service.observability import note
from cds_service.records import NOTHING_FETCHED, gather
from cds_service.services import Offered
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.prefetch import prefetch_templates

JSON = "application/json"
_LARGE = 256 * 1024
_TITLE = "30-day readmission"
_DESCRIPTION = (
    "Says at discharge what is known of the patient's risk of an unplanned readmission within"
    " 30 days, what drives it, and how much of the record it could see."
)
_REQUIREMENTS = (
    "FHIR R4. patient and encounter (patient-view: patient and encounters) are required, else 412."
    " What prefetch lacks is fetched from fhirServer with fhirAuthorization, where the site allows"
    " that server. Every other key that then is missing costs the inputs that rest on it, and the"
    " card says so."
)

router = APIRouter()


@dataclass(frozen=True)
class Answer:
    """An assessment and the cards that say it."""

    assessment: Assessment
    cards: list[Card]


@router.get("/cds-services")
def discovery(state: State, client: Client) -> Response:
    """CDS Hooks 2.0, Discovery: each service under each of its hooks."""
    listed = [
        Service(
            hook=hook,
            id=service.id,
            title=_TITLE,
            description=_DESCRIPTION,
            prefetch=prefetch_templates(hook, service.of(client).profile),
            usage_requirements=_REQUIREMENTS,
        )
        for service in state.services.values()
        for hook in service.hooks
    ]
    body = Discovery(services=listed).model_dump_json(by_alias=True)
    return Response(body, media_type=JSON)


@router.post("/cds-services/{service_id}")
async def call_service(
    service_id: str, body: Body, state: State, client: Client, reader: FhirClient
) -> Response:
    """CDS Hooks 2.0, Calling a CDS Service. The row is written before the answer leaves."""
    started = perf_counter()
    service = _service(service_id, state)
    assessor = service.of(client)
    call = read_call(body, state.clock(), hooks=service.hooks)
    note(hook=call.hook, service_id=service.id, bundle=assessor.bundle.digest)
    server = server_of(call, client, reader, state.settings)
    budget = state.settings.fhir_budget_s
    fetched = await fetch_lacking(call, server, assessor.profile, budget_s=budget)
    answered = await _answer(call, assessor, fetched)
    await state.store.add(_row(service_id, call, answered, assessor, perf_counter() - started))
    return Response(CardResponse(cards=answered.cards).wire(), media_type=JSON)


def _service(service_id: str, state: ServiceState) -> Offered:
    service = state.services.get(service_id)
    if service is None:
        offered = f"This service offers {', '.join(state.services)}."
        raise UnknownServiceError("path", "no service of that id.", offered)
    return service


def answer(
    call: HookCall, assessor: Assessor, fetched: Mapping[str, Fetched] = NOTHING_FETCHED
) -> Answer:
    """The common case: from request to card."""
    assessment = assess(
        gather(call.prefetch, call.patient_id, encounter_id=call.encounter_id, fetched=fetched),
        call.encounter_id,
        call.received,
        assessor=assessor,
    )
    return Answer(assessment, cards_for(assessment, call.patient_id, assessor.bundle))


async def _answer(call: HookCall, assessor: Assessor, fetched: Mapping[str, Fetched]) -> Answer:
    """In a thread where it takes long, so that other calls need not wait: a network explains its
    answer, or the record is large."""
    size = call.size + sum(
        memoryview(page).nbytes for each in fetched.values() for page in each.pages
    )
    if size <= _LARGE and assessor.bundle.trained is None:
        answered = answer(call, assessor, fetched)
    else:
        answered = await anyio.to_thread.run_sync(answer, call, assessor, fetched)
    scored = isinstance(answered.assessment, Scored)
    note(outcome="scored" if scored else "not_scored")
    return answered


def _row(
    service_id: str, call: HookCall, answered: Answer, assessor: Assessor, seconds: float
) -> dict[str, Any]:
    assessment, vector = answered.assessment, answered.assessment.vector
    scored = assessment if isinstance(assessment, Scored) else None
    points = {b.score.name: b.score.points for b in scored.baselines} if scored else {}
    return {
        "created_at": call.received,
        "hook": call.hook,
        "hook_instance": call.hook_instance,
        "service_id": service_id,
        "patient_id": call.patient_id,
        "encounter_id": assessment.encounter_id,
        "card_uuid": answered.cards[0].uuid,
        "outcome": "scored" if scored else "not_scored",
        "reason": None if isinstance(assessment, Scored) else assessment.reason,
        "probability": scored.score.probability if scored else None,
        "lace_points": points.get("lace"),
        "hospital_points": points.get("hospital"),
        "known_inputs": coverage_of(vector, assessor.bundle).known if vector else None,
        "timing": vector.timing if vector else None,
        "prediction_time": vector.prediction_time if vector else None,
        "profile": vector.profile if vector else None,
        "bundle_digest": assessor.bundle.digest,
        "mapping_digest": CATALOGUE.digest,
        "vector_digest": vector.digest if vector else None,
        "duration_ms": round(seconds * 1000, 3),
    }
