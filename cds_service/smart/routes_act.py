"""What a user signed in for one patient can do: score again or another stay, accept, override.

Each POST is checked (forms.py) and ends in a redirect, so that reloading does not repeat it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from cds_service.dependencies import NewId, ServiceState, State
from cds_service.hooks.feedback import LONGEST_COMMENT, Feedback
from cds_service.hooks.feedback_routes import append
from cds_service.hooks.override_reasons import OVERRIDE_REASONS
from cds_service.recalled import Recalled
from cds_service.smart.forms import Form
from cds_service.smart.headers import PRIVATE
from cds_service.smart.launch_context import LONGEST_ID
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.scoring_again import call_of, score, service_of
from cds_service.smart.session import AppSession, PatientSession
from cds_service.smart.session_facts import facts_of
from cds_service.smart.viewing import allowed

router = APIRouter(prefix="/smart/s/{sid}", include_in_schema=False)
_SEE_OTHER: Final = 303
_REASONS: Final = {each.code: (each.system or "", each.code) for each in OVERRIDE_REASONS}


@router.post("/score", response_class=RedirectResponse)
async def score_again(
    session: PatientSession, form: Form, state: State, assessment_id: NewId
) -> RedirectResponse:
    """A new assessment, from the chart as it is now; the page then shows both."""
    before = await _named(session, state, form)
    chosen = form.get("stay", "")
    if len(chosen) > LONGEST_ID:
        raise SmartProblemError("form_refused", tenant=session.tenant, form="stay")
    stay = chosen or (before.row["encounter_id"] if before else session.encounter_id)
    call = await call_of(session, state, stay)
    await score(call, session, state, service_of(state, before), name=assessment_id)
    beside = f"&before={before.row['uuid']}" if before else ""
    return _to_page(session, state, f"?assessment={assessment_id}{beside}")


@router.post("/feedback", response_class=RedirectResponse)
async def take_feedback(session: PatientSession, form: Form, state: State) -> RedirectResponse:
    """Accept or override: the same store as the feedback of an EHR."""
    found, now = await _named(session, state, form), state.clock()
    entry = _entry(form, found.row["card_uuid"], now) if found else None
    if found is None or entry is None:
        raise SmartProblemError("form_refused", tenant=session.tenant, form="feedback")
    tenant, service_id = session.tenant.name, found.row["service_id"]
    known = await state.store.cards_of(tenant, service_id=service_id, card_uuids={entry.card})
    shared = {"tenant": tenant, "service_id": service_id, "received_at": now}
    await append([entry], known, shared | {"user_id": session.fhir_user}, state.store)
    return _to_page(session, state, f"?assessment={found.row['uuid']}#answer")


def _entry(form: Mapping[str, str], card: str | None, at: datetime) -> Feedback | None:
    """What the form says of a card; None where that is nothing that could be stored."""
    comment, reason = form.get("comment", "").strip(), form.get("reason", "")
    chosen = _REASONS.get(reason)
    if card is None or len(comment) > LONGEST_COMMENT or (reason and chosen is None):
        return None
    match form.get("outcome"):
        case "accepted":
            return Feedback(card, "accepted", (), None, None, at)
        case "overridden":
            return Feedback(card, "overridden", (), chosen, comment or None, at)
    return None


async def _named(
    session: AppSession, state: ServiceState, form: Mapping[str, str]
) -> Recalled | None:
    name = form.get("assessment")
    return await allowed(session, state, name) if name else None


def _to_page(session: AppSession, state: ServiceState, rest: str) -> RedirectResponse:
    home = facts_of(session, state.smart).home
    return RedirectResponse(f"{home}{rest}", _SEE_OTHER, headers=dict(PRIVATE))
