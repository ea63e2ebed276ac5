"""The worklist and its export, for care managers alone. Thin: read the day, ask who is where, draw."""

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import anyio
from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from cds_service import metrics
from cds_service.answers import Fetched
from cds_service.dependencies import ServiceState, State
from cds_service.fhir_server import FhirServer
from cds_service.hooks.task_wording import wording_of
from cds_service.observability import note
from cds_service.services import Offered
from cds_service.smart.access import access_token, renewing
from cds_service.smart.headers import page_headers
from cds_service.smart.launch_context import same_user
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.scopes import lists_stays
from cds_service.smart.session import AppSession, WorklistSession
from cds_service.smart.session_facts import facts_of
from cds_service.smart.view.page import silent_page
from cds_service.smart.worklist.days import bounds, day_of
from cds_service.smart.worklist.listed import Reading, Worklist, worklist
from cds_service.smart.worklist.page import Choice, worklist_page
from cds_service.smart.worklist.spreadsheet import as_csv, file_name
from cds_service.smart.worklist.stays import Stay, queries, stays_in
from cds_service.storage.listings import StayOfDay

CSV = "text/csv; charset=utf-8; header=present"
router = APIRouter(prefix="/smart/s/{sid}", include_in_schema=False)


@dataclass(frozen=True)
class _Day:
    """What was chosen, by which service, and the list."""

    choice: Choice
    service: Offered
    listed: Worklist


@router.get("/worklist", response_class=HTMLResponse)
async def worklist_of_day(
    session: WorklistSession, state: State, day: str = "", unit: str = "", service: str = ""
) -> HTMLResponse:
    """The day's stays, ranked."""
    _check_manager(session)
    facts, headers = facts_of(session, state.smart), page_headers(session.tenant.frame_ancestors)
    if facts.silent:
        return HTMLResponse(silent_page(facts), headers=headers)
    found = await _day(session, state, day, unit, service)
    rate = found.service.of(session.tenant).base_rate
    html = worklist_page(
        found.listed,
        found.choice,
        facts,
        base_rate=rate.value if rate and found.listed.has_estimates else None,
    )
    return HTMLResponse(html, headers=headers)


@router.get("/worklist.csv")
async def worklist_as_csv(
    session: WorklistSession, state: State, day: str = "", unit: str = "", service: str = ""
) -> Response:
    """The same for a spreadsheet."""
    _check_manager(session)
    headers = page_headers(session.tenant.frame_ancestors)
    if session.tenant.silent:
        return HTMLResponse(silent_page(facts_of(session, state.smart)), 403, headers)
    found = await _day(session, state, day, unit, service)
    named = {"content-disposition": f'attachment; filename="{file_name(found.choice.day)}"'}
    return Response(as_csv(found.listed), headers=headers | named, media_type=CSV)


def _check_manager(session: AppSession) -> None:
    """Also while the session lasts: who is taken off the list, or loses the access, sees no more."""
    smart, user = session.tenant.smart, session.fhir_user
    if not smart or not user or not same_user(user, smart.care_managers, session.iss):
        raise SmartProblemError("not_care_manager", tenant=session.tenant)
    if not lists_stays(session.granted | session.narrowed):
        raise SmartProblemError("consent_denied", tenant=session.tenant, scope="worklist")


async def _day(session: AppSession, state: ServiceState, day: str, unit: str, named: str) -> _Day:
    service, services = _service(session, state, named)
    zone, tenant = ZoneInfo(session.tenant.zone), session.tenant
    chosen = day_of(day, now=state.clock(), zone=zone)
    since, until = bounds(chosen, zone)
    stays = await state.store.stays_of(
        tenant.name, service.id, fhir_server=session.iss, since=since, until=until
    )
    bundle = service.assessor.bundle
    listed = worklist(
        stays,
        _believed(await _read(session, state, stays), stays),
        Reading(bundle, wording_of(bundle), zone),
        per_day=tenant.alert(service.id).per_day,
        unit=unit,
    )
    note(worklist_stays=listed.total, worklist_unread=listed.unread)
    return _Day(Choice(chosen, unit, service.id, services, tenant.zone), service, listed)


def _service(
    session: AppSession, state: ServiceState, named: str
) -> tuple[Offered, tuple[str, ...]]:
    """The one asked for, else the first; only those about discharges have a list."""
    found = {
        each.id: each
        for each in state.services.values()
        if each.assessor.bundle.manifest.task == "readmission_30d"
    }
    if not found:
        raise SmartProblemError("not_found", tenant=session.tenant)
    return found.get(named) or next(iter(found.values())), tuple(found)


async def _read(
    session: AppSession, state: ServiceState, stays: list[StayOfDay]
) -> Mapping[str, Stay]:
    """Who they are and where, read with the user's own access; what has come in time counts."""
    granted = session.granted | session.narrowed
    asked = queries((each.newest["encounter_id"] for each in stays), granted)
    if not asked:
        return {}
    server = FhirServer(
        state.http,
        session.iss,
        token=await access_token(session, state),
        concurrency=state.settings.fhir_concurrency,
        most_bytes=state.settings.max_body_bytes,
        silence_s=state.settings.fhir_budget_s / 2,
        renew=renewing(session, state),
    )
    answers = [Fetched() for _ in asked]
    with anyio.move_on_after(state.settings.fhir_budget_s):
        async with anyio.create_task_group() as tasks:
            for query, answer in zip(asked, answers, strict=True):
                tasks.start_soon(server.search, query, answer)
    for answer in answers:
        metrics.fhir_fetched(answer.trouble or "read")
    return stays_in(answers)


def _believed(found: Mapping[str, Stay], stays: list[StayOfDay]) -> dict[str, Stay]:
    """Only where the server names the patient whose score it is."""
    whose = {each.newest["encounter_id"]: each.newest["patient_id"] for each in stays}
    return {name: stay for name, stay in found.items() if stay.patient_id == whose.get(name)}
