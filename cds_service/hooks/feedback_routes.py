"""The feedback endpoint of each service (CDS Hooks 2.0, Feedback). Thin: parse, match, store.

Always 200 for what can be read: a client cannot repair a card that we do not know.
"""

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from cds_service.dependencies import Body, Client, State
from cds_service.hooks.feedback import Feedback, read_feedback
from cds_service.observability import note
from cds_service.storage.store import Store

router = APIRouter()


@router.post("/cds-services/{service_id}/feedback")
async def take_feedback(service_id: str, body: Body, state: State, client: Client) -> Response:
    """Append every entry; those about a card of nobody's, or another tenant's, are quarantined."""
    service, received = state.service(service_id), state.clock()
    entries = read_feedback(body)
    note(service_id=service.id, feedback=len(entries))
    uuids = {each.card for each in entries}
    known = await state.store.cards_of(client.name, service_id=service.id, card_uuids=uuids)
    shared = {"tenant": client.name, "service_id": service.id, "received_at": received}
    await append(entries, known, shared, state.store)
    return Response()


async def append(
    entries: Iterable[Feedback], known: Mapping[str, str], shared: Mapping[str, Any], store: Store
) -> None:
    """Write entries, from a client or from a page. `known`: card -> the assessment that showed it
    first; `shared`: tenant, service_id and received_at, and on a page who the user is."""
    named = {str(uuid.uuid4()): each for each in entries}
    rows = [_row(name, each, known) | dict(shared) for name, each in named.items()]
    comments = {name: each.comment for name, each in named.items() if each.comment}
    await store.add_feedback(rows, comments)
    note(quarantined=sum(row["assessment_uuid"] is None for row in rows))


def _row(name: str, entry: Feedback, known: Mapping[str, str]) -> dict[str, Any]:
    system, code = entry.reason or (None, None)
    suggestions = json.dumps(entry.accepted_suggestions) if entry.accepted_suggestions else None
    return {
        "uuid": name,
        "card_uuid": entry.card,
        "assessment_uuid": known.get(entry.card),
        "outcome": entry.outcome,
        "accepted_suggestions": suggestions,
        "reason_system": system,
        "reason_code": code,
        "commented": entry.comment is not None,
        "outcome_at": entry.at,
    }
