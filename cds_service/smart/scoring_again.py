"""A signed-in user's own call: the chart as the FHIR server has it now, read with the session's token."""

import uuid

from cds_service.answering import answer
from cds_service.assessment import stays_of
from cds_service.dependencies import ServiceState
from cds_service.errors import DataMissingError, WrongPatientError
from cds_service.fetching import Readable, fetch_visits, server_of
from cds_service.hooks.call import HookCall
from cds_service.recalled import Recalled
from cds_service.records import gather
from cds_service.services import Offered
from cds_service.smart.access import access_token, renewing
from cds_service.smart.problems import Code, SmartProblemError
from cds_service.smart.session import AppSession
from fhir_mapping.history import Visit


def service_of(state: ServiceState, before: Recalled | None) -> Offered:
    """The service that made the assessment; of a new one the first that is offered."""
    made = state.services.get(before.row["service_id"]) if before else None
    return made or next(iter(state.services.values()))


async def call_of(session: AppSession, state: ServiceState, stay: str | None) -> HookCall:
    """The call that the session's user makes now. Raises SmartProblemError."""
    return HookCall(
        hook="smart",
        hook_instance=str(uuid.uuid4()),
        user_id=session.fhir_user,
        patient_id=session.patient_id or "",
        encounter_id=stay,
        prefetch={},
        received=state.clock(),
        size=0,
        fhir_server=session.iss,
        token=await access_token(session, state),
        renew=renewing(session, state),
    )


async def score(
    call: HookCall, session: AppSession, state: ServiceState, service: Offered, *, name: str
) -> None:
    """Make and store the assessment `name`. Raises SmartProblemError."""
    readable = Readable(frozenset(session.denied), session.narrowed)
    try:
        await answer(call, session.tenant, service, state, assessment_id=name, readable=readable)
    except (DataMissingError, WrongPatientError) as error:
        raise _unread(error, session) from None


async def stays(
    call: HookCall, session: AppSession, state: ServiceState, service: Offered
) -> tuple[Visit, ...]:
    """The stays that can be scored, newest first. Raises SmartProblemError."""
    assessor = service.of(session.tenant)
    server = server_of(call, session.tenant, state.http, state.settings)
    if server is None:
        raise SmartProblemError("record_unread", tenant=session.tenant)
    budget_s = state.settings.fhir_budget_s
    found = await fetch_visits(call, server, assessor, budget_s=budget_s)
    try:
        gathered = gather(
            {}, call.patient_id, encounter_id=None, asked=assessor.asked, fetched=found
        )
    except (DataMissingError, WrongPatientError) as error:
        raise _unread(error, session) from None
    return stays_of(gathered, assessor=assessor)


def _unread(error: Exception, session: AppSession) -> SmartProblemError:
    another = isinstance(error, WrongPatientError)
    code: Code = "record_of_another" if another else "record_unread"
    return SmartProblemError(code, tenant=session.tenant)
