"""The read API: `/assessments` in our JSON, `/fhir/RiskAssessment` in FHIR R4. Thin: who, what, answer.

What is searched for never gets into a log line: only route templates and our own words do.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from cds_service.api.access import Action, Reader
from cds_service.api.readers import Readers
from cds_service.api.resources import capabilities, searchset
from cds_service.api.schemas import Assessments, assessed, summary
from cds_service.api.searches import (
    PAGE,
    Parameters,
    Search,
    fhir_search,
    json_search,
    opened_page,
    sealed_page,
    self_query,
)
from cds_service.dependencies import ServiceState, State, limited_body
from cds_service.errors import FHIR_JSON, AccessDeniedError, ParameterError, UnknownAssessmentError
from cds_service.observability import note
from cds_service.recalled import Recalled, recalled
from cds_service.risk_assessment import risk_assessment
from cds_service.storage.store import Page

FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 16 * 1024
_NOT_KEPT = {"cache-control": "no-store", "pragma": "no-cache"}
router = APIRouter()


async def _reader(request: Request, state: State) -> Reader:
    readers: Readers = request.app.state.readers
    return await readers.reader(request.headers.getlist("authorization"), now=state.clock())


Reading = Annotated[Reader, Depends(_reader)]


@router.get("/assessments")
async def list_assessments(request: Request, state: State, reader: Reading) -> Response:
    """A patient's assessments, newest first."""
    given = parameters(request.url.query)
    search = _search(given, reader, state) or json_search(given, reader.tenant)
    page = await _page(search, reader, state)
    more = _next(search, page, reader, state)
    body = Assessments(
        assessments=tuple(summary(each) for each in _recalled(page)),
        total=page.total,
        next=f"{state.settings.address}/assessments?{more}" if more else None,
    )
    return _json(body.model_dump_json())


@router.get("/assessments/{assessment_id}")
async def one_assessment(assessment_id: str, state: State, reader: Reading) -> Response:
    """One assessment, whole."""
    return _json(assessed(await _found(assessment_id, reader, state)).model_dump_json())


@router.get("/fhir/metadata")
def fhir_capabilities(state: State) -> Response:
    """What the FHIR endpoint can do; anybody may know."""
    return _fhir(capabilities(base=_fhir_base(state), started=state.clock()))


@router.get("/fhir/RiskAssessment")
async def search_risk_assessments(request: Request, state: State, reader: Reading) -> Response:
    """A searchset of a patient's assessments, newest first."""
    return await _searched(parameters(request.url.query), request, state, reader)


@router.post("/fhir/RiskAssessment/_search")
async def post_search(request: Request, state: State, reader: Reading) -> Response:
    """The same with its parameters in the body, where no log of addresses sees them."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise ParameterError("request body", "is no form.", f"Send it as {FORM}.")
    body = await limited_body(request, _LARGEST_FORM)
    given = parameters(request.url.query)
    for name, values in parameters(body.decode("utf-8", "replace")).items():
        given[name] = [*given.get(name, ()), *values]
    return await _searched(given, request, state, reader)


@router.get("/fhir/RiskAssessment/{assessment_id}")
async def one_risk_assessment(assessment_id: str, state: State, reader: Reading) -> Response:
    """One assessment as a RiskAssessment."""
    found = await _found(assessment_id, reader, state)
    return _fhir(json.dumps(_resource(found, reader, state)).encode())


def parameters(query: str) -> dict[str, Sequence[str]]:
    """Names and values of a query or a form. Raises ParameterError."""
    try:
        return dict(parse_qs(query, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise ParameterError("query", "cannot be read.", "Send fewer parameters.") from None


async def _searched(
    given: Parameters, request: Request, state: ServiceState, reader: Reader
) -> Response:
    strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "").lower()
    search = _search(given, reader, state) or fhir_search(given, reader.tenant, strict=strict)
    page = await _page(search, reader, state)
    resources = [_resource(each, reader, state) for each in _recalled(page)]
    body = searchset(
        resources,
        total=page.total,
        base=_fhir_base(state),
        self_query=self_query(search),
        next_page=_next(search, page, reader, state),
    )
    return _fhir(body)


def _search(given: Parameters, reader: Reader, state: ServiceState) -> Search | None:
    """The search that a link to a next page goes on with; None where this is a new one."""
    if PAGE not in given:
        return None
    vault = state.store.vault
    return opened_page(given[PAGE][0], reader.tenant, vault=vault, now=state.clock())


async def _page(search: Search, reader: Reader, state: ServiceState) -> Page:
    try:
        reader.check_search(search.patient_id)
    except AccessDeniedError as error:
        note(refused=error.reason)
        raise
    page = await state.store.page_of_patient(
        reader.tenant.name,
        search.patient_id,
        fhir_server=search.server,
        since=search.since,
        before=search.before,
        limit=search.limit,
    )
    note(assessments_read=len(page.shown))
    return page


def _next(search: Search, page: Page, reader: Reader, state: ServiceState) -> str | None:
    if page.more is None or not search.limit:
        return None
    sealed = sealed_page(
        search, page.more, reader.tenant, vault=state.store.vault, now=state.clock()
    )
    return urlencode({PAGE: sealed})


def _recalled(page: Page) -> list[Recalled]:
    return [recalled(each.row, each.contents) for each in page.shown]


async def _found(assessment_id: str, reader: Reader, state: ServiceState) -> Recalled:
    """Raises UnknownAssessmentError, the same for one that is another patient's or tenant's."""
    only = _only("r", reader)
    shown = await state.store.assessment(reader.tenant.name, assessment_id)
    if shown is None or only not in (None, shown.row["patient_id"]):
        note(refused="other_patient" if shown else None)
        raise UnknownAssessmentError("path", "no assessment of that id.", "Search by patient.")
    note(assessments_read=1)
    return recalled(shown.row, shown.contents)


def _only(action: Action, reader: Reader) -> str | None:
    try:
        return reader.only(action)
    except AccessDeniedError as error:
        note(refused=error.reason)
        raise


def _resource(found: Recalled, reader: Reader, state: ServiceState) -> dict[str, Any]:
    """References lead to the FHIR server whose ids they have, where it is known."""
    service = state.services.get(found.row["service_id"])
    server = found.row["fhir_server"] or reader.tenant.server_of(None)
    bundle = service.assessor.bundle if service else None
    return risk_assessment(found, bundle=bundle, base=f"{server}/" if server else "")


def _fhir_base(state: ServiceState) -> str:
    return f"{state.settings.address}/fhir"


def _json(body: str) -> Response:
    return Response(body, headers=_NOT_KEPT, media_type="application/json")


def _fhir(body: bytes) -> Response:
    return Response(body, headers=_NOT_KEPT, media_type=FHIR_JSON)
