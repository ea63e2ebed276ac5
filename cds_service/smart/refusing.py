"""An assessment that a user may not see: the page that says so, and what is recorded of it."""

import uuid
from typing import Literal

from cds_service.dependencies import ServiceState
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.session import AppSession

Reason = Literal[
    "unknown",
    "other_tenant",
    "other_patient",
    "other_encounter",
    "other_server",
    "made_silently",
]


async def refused_view(
    session: AppSession, state: ServiceState, *, assessment: str, reason: Reason
) -> SmartProblemError:
    """Record that the assessment of this uuid was asked for and not shown: a row and a link of the
    tenant's chain. Returned is what to raise; the page does not say which reason it was. Raises
    StoreUnavailableError, and SmartProblemError `not_found` where that is no uuid."""
    try:
        asked_for = str(uuid.UUID(assessment))
    except ValueError:
        raise SmartProblemError("not_found", tenant=session.tenant) from None
    row = {
        "uuid": str(uuid.uuid4()),
        "tenant": session.tenant.name,
        "at": state.clock(),
        "assessment_uuid": asked_for,
        "user_id": session.fhir_user,
        "reason": reason,
    }
    await state.store.add_refused_view(row)
    return SmartProblemError("view_refused", tenant=session.tenant, view=reason)
