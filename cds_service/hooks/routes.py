"""The CDS Hooks endpoints: discovery, and the call. Thin: read the call, answer it."""

from fastapi import APIRouter
from fastapi.responses import Response

from cds_service.answering import answer
from cds_service.dependencies import Body, Client, NewId, State
from cds_service.hooks.call import read_call
from cds_service.hooks.discovery import described
from cds_service.hooks.schemas import CardResponse, Discovery

JSON = "application/json"

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
    service = state.service(service_id)
    call = read_call(body, state.clock(), hooks=service.hooks)
    answered = await answer(call, client, service, state, assessment_id=assessment_id)
    return Response(CardResponse(cards=answered.shown.cards).wire(), media_type=JSON)
