"""What a user signed in for one patient can look at. Thin: who may see it, read it back, draw it."""

import anyio.to_thread
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from cds_service.dependencies import ServiceState, State
from cds_service.recalled import Recalled
from cds_service.smart.headers import page_headers
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.scoring_again import call_of, service_of, stays
from cds_service.smart.session import AppSession, PatientSession
from cds_service.smart.session_facts import facts_of
from cds_service.smart.view.page import PageView, model_card, page, received, silent_page
from cds_service.smart.view.starting import nothing_page, stays_page
from cds_service.smart.view.stored import Stored, received_at, task_of_card
from cds_service.smart.view.words import answered
from cds_service.smart.viewing import allowed, seen
from model.manifest import MODEL_CARD

router = APIRouter(prefix="/smart/s/{sid}", include_in_schema=False)


@router.get("/", response_class=HTMLResponse)
async def patient_page(
    session: PatientSession, state: State, assessment: str | None = None, before: str | None = None
) -> HTMLResponse:
    """The assessment asked for, else the card's, else the newest; `before`: one to stand beside it."""
    facts = facts_of(session, state.smart)
    found = await seen(session, state, assessment)
    if facts.silent:
        return drawn(silent_page(facts), session)
    if found.chosen is None:
        return drawn(nothing_page(facts), session)
    earlier = await allowed(session, state, before) if before else None
    view = PageView(
        stored_of(found.chosen, session, state),
        facts,
        found.rows,
        before=stored_of(earlier, session, state) if earlier else None,
        said=await _said(found.chosen, session, state),
    )
    # the network says anew where it looked: in a thread, as when it is asked for an answer
    html = await anyio.to_thread.run_sync(page, view, limiter=state.assessing)
    return drawn(html, session)


@router.get("/stays", response_class=HTMLResponse)
async def choice_of_stay(session: PatientSession, state: State) -> HTMLResponse:
    """The patient's stays as the FHIR server has them now, one of which can be scored."""
    service = service_of(state, None)
    call = await call_of(session, state, None)
    listed = await stays(call, session, state, service)
    return drawn(stays_page(facts_of(session, state.smart), listed), session)


@router.get("/received/{assessment}/{number}", response_class=HTMLResponse)
async def resource_as_received(
    session: PatientSession, state: State, assessment: str, number: int
) -> HTMLResponse:
    """A resource that the assessment rests on, as it came."""
    found, facts = await allowed(session, state, assessment), facts_of(session, state.smart)
    if facts.silent:
        return drawn(silent_page(facts), session)
    named = received_at(found.contents, number) if found.contents else None
    if named is None:
        raise SmartProblemError("not_found", tenant=session.tenant)
    back = f"{facts.home}?assessment={assessment}"
    return drawn(received(facts, *named, back=back), session)


@router.get("/model-card", response_class=HTMLResponse)
async def bundle_described(session: PatientSession, state: State, assessment: str) -> HTMLResponse:
    """What the bundle is for, on whom it was tried, and what it is not for."""
    found = await allowed(session, state, assessment)
    bundle = stored_of(found, session, state).bundle
    if bundle is None:
        raise SmartProblemError("not_found", tenant=session.tenant)
    words = (bundle.path / MODEL_CARD).read_text("utf-8")
    return drawn(model_card(facts_of(session, state.smart), bundle, words), session)


def stored_of(found: Recalled, session: AppSession, state: ServiceState) -> Stored:
    """An assessment with the assessor that made it, where that is still served."""
    service = service_of(state, found)
    assessor = service.of(session.tenant)
    if assessor.bundle.digest == found.row["bundle_digest"]:
        return Stored(found, assessor.bundle.manifest.task, assessor)
    task = task_of_card(found.contents)  # its service may be gone, and another one stand for it
    return Stored(found, task or assessor.bundle.manifest.task, None)


def drawn(html: str, session: AppSession) -> HTMLResponse:
    """A page that the tenant's frames may show, and nobody keeps."""
    return HTMLResponse(html, headers=page_headers(session.tenant.frame_ancestors))


async def _said(found: Recalled, session: AppSession, state: ServiceState) -> str | None:
    """What was last answered to the card."""
    card = found.row["card_uuid"]
    entries = await state.store.feedback_of(session.tenant.name, card) if card else []
    return answered(entries[-1]["outcome"], entries[-1]["outcome_at"]) if entries else None
