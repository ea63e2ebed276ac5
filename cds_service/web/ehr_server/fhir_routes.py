"""The FHIR server of the dev EHR: read and search of the example patients, for whoever has a token."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from cds_service.errors import FHIR_JSON, operation_outcome
from cds_service.tenants import DEV_FHIR as FHIR
from cds_service.web.ehr_server import search
from cds_service.web.ehr_server.authorization import Authorization, Open
from cds_service.web.ehr_server.charts import Charts
from cds_service.web.ehr_server.received import HEADERS


def fhir_router(server: Authorization, charts: Charts, clock: Callable[[], datetime]) -> APIRouter:
    """`{FHIR}/...`. A token is for one patient; its scopes are all that was asked for."""
    router = APIRouter()

    @router.get(FHIR + "/.well-known/smart-configuration")
    def configuration() -> JSONResponse:
        return JSONResponse(server.configuration, headers=HEADERS)

    @router.get(FHIR + "/{kind}")
    def find(request: Request, kind: str) -> Response:
        opened = server.accesses.get(_bearer(request), clock())
        return _refused(401, "login") if opened is None else _found(request, kind, opened)

    @router.get(FHIR + "/{kind}/{name}")
    def read(request: Request, kind: str, name: str) -> Response:
        opened = server.accesses.get(_bearer(request), clock())
        if opened is None:
            return _refused(401, "login")
        found = search.read(charts.resources(), kind, name)
        if found is None:
            return _refused(404, "not-found")
        return _fhir(found) if search.of(found, opened.patient) else _refused(403, "forbidden")

    def _found(request: Request, kind: str, opened: Open) -> Response:
        asked = {name: request.query_params.getlist(name) for name in request.query_params}
        resources = charts.resources()
        try:
            found = search.searchset(resources, kind, asked, server.base, patient=opened.patient)
        except search.UnsupportedSearchError:
            return _refused(400, "not-supported")
        return _fhir(found)

    return router


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _fhir(resource: Any) -> JSONResponse:
    return JSONResponse(resource, headers=HEADERS, media_type=FHIR_JSON)


def _refused(status: int, code: str) -> Response:
    text = "The dev EHR reads and searches the chart that a token was given for."
    outcome = operation_outcome(code, text)
    return Response(outcome, status, headers=HEADERS, media_type=FHIR_JSON)
