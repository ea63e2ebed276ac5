"""The suggestion on a scored card: one draft resource that the clinician may create, or not.

Built with fhir.resources, which validates it as FHIR R4; nothing is ever applied by itself.
"""

import json
import uuid
from datetime import datetime
from functools import cache
from typing import Any, Literal

from cds_service.hooks.schemas import Action, Suggestion
from cds_service.hooks.wording import FOLLOW_UP, FOLLOW_UP_CREATES, FOLLOW_UP_LABEL

Kind = Literal["Task", "ServiceRequest"]
_SUBJECT: dict[Kind, str] = {"Task": "for", "ServiceRequest": "subject"}


def follow_up(
    kind: Kind, card_uuid: str, *, patient_id: str, encounter_id: str, at: datetime
) -> Suggestion:
    """The one suggestion of the card `card_uuid`, with a uuid that derives from it."""
    draft = {
        "resourceType": kind,
        "status": "draft",
        "intent": "proposal",
        "code": {"text": FOLLOW_UP},
        _SUBJECT[kind]: {"reference": f"Patient/{patient_id}"},
        "encounter": {"reference": f"Encounter/{encounter_id}"},
        "authoredOn": at.isoformat(timespec="seconds"),
    }
    create = Action(
        type="create", description=FOLLOW_UP_CREATES[kind], resource=_validated(kind, draft)
    )
    return Suggestion(
        label=FOLLOW_UP_LABEL,
        uuid=str(uuid.uuid5(uuid.UUID(card_uuid), "follow-up")),
        actions=(create,),
    )


def _validated(kind: Kind, draft: dict[str, Any]) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(_model(kind).model_validate(draft).model_dump_json())
    return written


@cache
def _model(kind: Kind) -> Any:
    # a seventh of a second to import: paid by the first card that needs it
    if kind == "Task":
        from fhir.resources.R4B.task import Task

        return Task
    from fhir.resources.R4B.servicerequest import ServiceRequest

    return ServiceRequest
