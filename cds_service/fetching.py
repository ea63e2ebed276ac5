"""Fetch what prefetch lacks from the request's FHIR server: what to ask, in which order, until when.

First what says whose stay it is (patient, encounter, encounters), then the rest at once, with the
observations by date. When the budget is spent, what has come counts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import anyio
import httpx

from cds_service.addresses import listed
from cds_service.answers import Fetched, Lack, lack_of
from cds_service.assessment import Assessor, stay_of
from cds_service.fhir_server import FhirServer
from cds_service.hooks.call import HookCall
from cds_service.observability import note
from cds_service.records import gather
from cds_service.settings import Settings
from cds_service.tenants import Tenant
from fhir_mapping.history import IndexStay
from fhir_mapping.prefetch import OBSERVATIONS, VITALS, since

_FIRST: Final = frozenset(("patient", "encounter", "encounters"))
_OF_STAY: Final = _FIRST | {"locations"}
_MARGIN: Final = timedelta(days=1)
"""A server may take a date for a day of a zone of its own."""


@dataclass(frozen=True)
class Readable:
    """What a user let be read, by resource type: nothing of those `denied`, some of the `narrowed`."""

    denied: frozenset[str] = frozenset()
    narrowed: frozenset[str] = frozenset()


EVERYTHING: Final = Readable()


def server_of(
    call: HookCall, tenant: Tenant, client: httpx.AsyncClient, settings: Settings
) -> FhirServer | None:
    """The server that the call names, where its tenant lists it; no other is contacted."""
    base = listed(call.fhir_server, tenant.fhir_servers) if call.fhir_server else None
    if call.fhir_server:
        note(fhir_server="allowed" if base else "not_allowed")
    if base is None:
        return None
    return FhirServer(
        client,
        base,
        token=call.token,
        concurrency=settings.fhir_concurrency,
        most_bytes=settings.max_body_bytes,
        silence_s=settings.fhir_budget_s / 2,
        renew=call.renew,
    )


async def fetch_lacking(
    call: HookCall,
    server: FhirServer,
    assessor: Assessor,
    *,
    budget_s: float,
    readable: Readable = EVERYTHING,
) -> Mapping[str, Fetched]:
    """What the server gave, by prefetch key. Raises what `gather` raises where the required
    resources cannot be had; then nothing else is asked."""
    lacking = tuple(_lacks(call, assessor))
    lacks = tuple(each for each in lacking if each.template.resource_type not in readable.denied)
    found: dict[str, Fetched] = {}
    with anyio.move_on_after(budget_s) as budget:
        await _fetch([each for each in lacks if each.template.key in _FIRST], call, server, found)
        start = _start(call, assessor, found)
        if start is not None:
            rest = [_since(each, start) for each in lacks if each.template.key not in _FIRST]
            await _fetch(rest, call, server, found)
    if budget.cancelled_caught:
        found = {each.template.key: Fetched() for each in lacks} | found
    found |= {each.template.key: _denied() for each in lacking if each not in lacks}
    _narrow(lacks, found, readable)
    note(fhir_requests=server.requests, fhir_troubles=sum(bool(f.trouble) for f in found.values()))
    return found


async def fetch_visits(
    call: HookCall, server: FhirServer, assessor: Assessor, *, budget_s: float
) -> Mapping[str, Fetched]:
    """The patient and his encounters alone, by prefetch key: to choose a stay among them."""
    found: dict[str, Fetched] = {}
    with anyio.move_on_after(budget_s):
        lacks = (each for each in _lacks(call, assessor) if each.template.key in _FIRST)
        await _fetch(lacks, call, server, found)
    return found


def _denied() -> Fetched:
    return Fetched(trouble="server_denied")


def _narrow(lacks: Iterable[Lack], found: Mapping[str, Fetched], readable: Readable) -> None:
    """What is whole of what may be read is still not all that there is."""
    for each in lacks:
        fetched = found.get(each.template.key)
        if fetched and each.template.resource_type in readable.narrowed:
            fetched.trouble = fetched.trouble or "scope_narrowed"


def _lacks(call: HookCall, assessor: Assessor) -> Iterable[Lack]:
    """`vitals` is never asked for: the observations are, from the first of the stay on."""
    for template in assessor.asked:
        lack = lack_of(template, call.prefetch.get(template.key))
        answerable = call.encounter_id is not None or template.key != "encounter"
        if lack and answerable and template.key != VITALS:
            yield lack


def _start(call: HookCall, assessor: Assessor, found: Mapping[str, Fetched]) -> datetime | None:
    """T0 of the stay that will be assessed; None where there is none."""
    sent = {key: raw for key, raw in call.prefetch.items() if key in _OF_STAY}
    gathered = gather(
        sent,
        call.patient_id,
        encounter_id=call.encounter_id,
        asked=assessor.asked,
        fetched=found,
    )
    stay = stay_of(gathered, call.encounter_id, call.received, assessor=assessor)
    return stay.t0 if isinstance(stay, IndexStay) else None


def _since(lack: Lack, start: datetime) -> Lack:
    """No feature reads observations from before T0: those since then are all that is asked."""
    if lack.template.key != OBSERVATIONS:
        return lack
    day = (start - _MARGIN).date()
    return Lack(replace(lack.template, query=since(lack.template.query, day)))


async def _fetch(
    lacks: Iterable[Lack], call: HookCall, server: FhirServer, found: dict[str, Fetched]
) -> None:
    async with anyio.create_task_group() as tasks:
        for lack in lacks:
            key = lack.template.key
            found[key] = Fetched(after=lack.next_page is not None)
            tasks.start_soon(_ask, lack, call, server, found[key])


async def _ask(lack: Lack, call: HookCall, server: FhirServer, found: Fetched) -> None:
    context = {"patientId": call.patient_id, "encounterId": call.encounter_id or ""}
    query = lack.template.filled(context)
    if lack.template.count is None:
        await server.read(query, lack.template.resource_type, found)
    else:
        await server.search(query, found, next_page=lack.next_page)
