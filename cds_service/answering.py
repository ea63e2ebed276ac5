"""From a call to its stored answer: the hook and the SMART app go the same way, so they cannot disagree.

Thin: fetch what is lacking, assess, decide what is shown, store; the answer may leave after that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter

from cds_service import metrics
from cds_service.answers import Fetched
from cds_service.assessment import Assessment, Assessor, Scored, assess
from cds_service.dependencies import ServiceState
from cds_service.fetching import EVERYTHING, Readable, fetch_lacking, server_of
from cds_service.hooks.alerts import WINDOW, Showings
from cds_service.hooks.call import HookCall
from cds_service.hooks.cards import Occasion
from cds_service.hooks.row import row_of
from cds_service.hooks.said import contents_of
from cds_service.hooks.showing import Showing, showing
from cds_service.observability import note
from cds_service.received import Received, received
from cds_service.records import NOTHING_FETCHED, gather
from cds_service.services import Offered
from cds_service.storage.store import Store
from cds_service.tenants import Tenant
from cds_service.tracing import span

_LARGE = 256 * 1024


@dataclass(frozen=True)
class Answered:
    """What was found and what is shown of it; its row is in the store."""

    assessment: Assessment
    shown: Showing
    row: Mapping[str, Any]


async def answer(
    call: HookCall,
    tenant: Tenant,
    service: Offered,
    state: ServiceState,
    *,
    assessment_id: str,
    readable: Readable = EVERYTHING,
) -> Answered:
    """Answer one call. Raises what `gather` raises, or StoreUnavailableError; then nothing is shown."""
    started = perf_counter()
    assessor = service.of(tenant)
    note(hook=call.hook, service_id=service.id, bundle=assessor.bundle.digest)
    occasion = Occasion(
        tenant=tenant,
        service_id=service.id,
        patient_id=call.patient_id,
        assessment_uuid=assessment_id,
        at=call.received,
        bundle=assessor.bundle,
        fhir_server=tenant.server_of(call.fhir_server),
    )
    with span("hook", service=service.id):
        fetched = await _fetched(call, tenant, state, assessor, readable)
        found, kept = await _assessment(call, assessor, fetched, threads=state.assessing)
        shown, row = await _stored(call, found, kept, occasion, state.store, started=started)
    metrics.assessed(tenant.name, service.id, outcome=row["outcome"], reason=row["reason"])
    return Answered(found, shown, row)


def assessed(
    call: HookCall, assessor: Assessor, fetched: Mapping[str, Fetched] = NOTHING_FETCHED
) -> Assessment:
    """The common case: from request to assessment."""
    with span("gather", keys=len(call.prefetch)) as said:
        gathered = gather(
            call.prefetch,
            call.patient_id,
            encounter_id=call.encounter_id,
            asked=assessor.asked,
            fetched=fetched,
        )
        said("resources", len(gathered.resources))
    with span("assess") as said:
        assessment = assess(gathered, call.encounter_id, call.received, assessor=assessor)
        said("outcome", "scored" if isinstance(assessment, Scored) else "not_scored")
    return assessment


async def _fetched(
    call: HookCall, client: Tenant, state: ServiceState, assessor: Assessor, readable: Readable
) -> Mapping[str, Fetched]:
    """What prefetch lacks, from the FHIR server that the call names, where it is the tenant's."""
    server = server_of(call, client, state.http, state.settings)
    if server is None:
        return NOTHING_FETCHED
    budget_s = state.settings.fhir_budget_s
    with span("fetch") as said:
        found = await fetch_lacking(call, server, assessor, budget_s=budget_s, readable=readable)
        said("requests", server.requests)
    for each in found.values():
        metrics.fhir_fetched(each.trouble or "read")
    return found


async def _assessment(
    call: HookCall,
    assessor: Assessor,
    fetched: Mapping[str, Fetched],
    *,
    threads: CapacityLimiter,
) -> tuple[Assessment, Received]:
    """In a thread where it takes long, so that other calls need not wait: a network explains its
    answer, or the record is large."""
    size = call.size + sum(each.size for each in fetched.values())
    if size <= _LARGE and assessor.bundle.trained is None:
        found = _assessed_and_received(call, assessor, fetched)
    else:
        found = await anyio.to_thread.run_sync(
            _assessed_and_received, call, assessor, fetched, limiter=threads
        )
    note(outcome="scored" if isinstance(found[0], Scored) else "not_scored")
    return found


def _assessed_and_received(
    call: HookCall, assessor: Assessor, fetched: Mapping[str, Fetched]
) -> tuple[Assessment, Received]:
    assessment = assessed(call, assessor, fetched)
    return assessment, received(assessment, call.prefetch, fetched)


async def _stored(
    call: HookCall,
    assessment: Assessment,
    kept: Received,
    occasion: Occasion,
    store: Store,
    *,
    started: float,
) -> tuple[Showing, Mapping[str, Any]]:
    """What is shown, with its row, once that is written. Decided again where another call has given
    the stay a card meanwhile: then that one is shown."""
    while True:
        earlier = await store.shown(
            occasion.tenant.name,
            service_id=occasion.service_id,
            fhir_server=occasion.fhir_server,
            patient_id=occasion.patient_id,
            encounter_id=assessment.encounter_id,
        )
        recent = await _recent(assessment, occasion, store)
        shown = showing(assessment, occasion, earlier=earlier, recent=recent)
        row = row_of(call, assessment, occasion, shown) | {"duration_ms": _ms_since(started)}
        contents = contents_of(assessment, shown.card, kept)
        after = earlier.row["uuid"] if earlier else None
        with span("store"):
            if await store.add_assessment(row, contents, after=after):
                return shown, row


async def _recent(assessment: Assessment, occasion: Occasion, store: Store) -> Showings:
    """The recent stays, where a capacity is the rule and there is something to hold against it."""
    tenant, service_id = occasion.tenant, occasion.service_id
    if tenant.alert(service_id).per_day is None or not isinstance(assessment, Scored):
        return ()
    return await store.first_probabilities(
        tenant.name,
        service_id=service_id,
        bundle=occasion.bundle.digest,
        since=occasion.at - WINDOW,
    )


def _ms_since(started: float) -> float:
    return round((perf_counter() - started) * 1000, 3)
