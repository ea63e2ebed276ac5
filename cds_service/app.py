"""The application: built by a factory, with everything that outlives a call. No module-level app."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cds_service import metrics, probes
from cds_service.api.readers import readers_of
from cds_service.api.routes import router as api_router
from cds_service.dependencies import Clock, ServiceState, system_clock
from cds_service.errors import (
    FHIR_JSON,
    STATUS,
    ServiceError,
    StoreUnavailableError,
    operation_outcome,
)
from cds_service.fhir_server import outgoing_client
from cds_service.governance.heads import heads_kept
from cds_service.hooks.feedback_routes import router as feedback_router
from cds_service.hooks.openapi import description_router
from cds_service.hooks.routes import router
from cds_service.observability import (
    configure_logging,
    log_answer,
    log_failure,
    log_start,
    request_scope,
)
from cds_service.services import offered
from cds_service.settings import Settings
from cds_service.smart.app import smart_app
from cds_service.smart.pages import problem_page
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.routes import router as smart_router
from cds_service.smart.routes_act import router as act_router
from cds_service.smart.routes_page import router as page_router
from cds_service.smart.routes_worklist import router as worklist_router
from cds_service.storage.store import Store
from cds_service.storage.vault import Vault
from cds_service.tracing import OURS_ALONE
from cds_service.trust.clients import clients_of
from cds_service.trust.start import tenants_of
from cds_service.web.ehr_server.charts import Charts
from cds_service.web.ehr_server.routes import ehr_server_router
from cds_service.web.gallery import Gallery
from cds_service.web.routes import ehr_page_router
from fhir_mapping.catalogue import CATALOGUE


def create_app(settings: Settings, *, clock: Clock = system_clock) -> FastAPI:
    """The service as configured. Raises StartRefusedError where it must not start so."""
    tenants = tenants_of(settings)
    store, http = Store(settings.database, Vault(settings.storage_keys)), outgoing_client()
    clients = clients_of(settings, tenants, store=store, http=http)
    services = offered(settings.bundles, tenants, critical_outcome=settings.critical_outcome)
    smart = smart_app(settings, tenants, services.values(), store=store, http=http)
    state = ServiceState(settings, tenants, services, store, http, clients, smart, clock)
    configure_logging(settings.log_level)
    app = FastAPI(
        title="Readmit",
        lifespan=_lifespan,
        openapi_url=None,
        redirect_slashes=False,  # to the Host that the caller names, and behind a proxy without TLS
        telemetry=OURS_ALONE,
    )
    app.state.service = state
    app.state.readers = readers_of(settings, tenants, http=http)
    app.include_router(router)
    app.include_router(feedback_router)
    app.include_router(api_router)
    app.include_router(probes.router)
    for each in (smart_router, page_router, act_router, worklist_router):
        app.include_router(each)
    app.include_router(description_router(state.services.values(), settings))
    if settings.dev:
        gallery = Gallery(settings.examples)
        app.include_router(ehr_page_router(gallery, clock=clock))
        app.include_router(ehr_server_router(Charts(gallery, clock), settings.address, clock=clock))
    app.add_exception_handler(ServiceError, _refused)
    app.add_exception_handler(SmartProblemError, _problem)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(RequestValidationError, _not_routed)
    app.add_middleware(_Observed)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "OPTIONS"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: ServiceState = app.state.service
    await state.store.migrate()
    bundles = {each.id: each.assessor.bundle.digest for each in state.services.values()}
    metrics.serving(state.services.values())
    log_start(bundles=bundles, mapping=CATALOGUE.digest)
    async with heads_kept(state.settings.audit_heads, state.store, state.clock):
        yield
    await state.http.aclose()
    await state.store.close()


async def _problem(request: Request, error: Exception) -> Response:
    problem = error if isinstance(error, SmartProblemError) else SmartProblemError("failed")
    return problem_page(problem, request.app.state.service.smart)


async def _refused(request: Request, error: Exception) -> Response:
    status, code = STATUS[type(error)] if isinstance(error, ServiceError) else (500, "exception")
    if isinstance(error, StoreUnavailableError):
        metrics.store_failed()
        if _is_for_people(request.scope):
            return await _problem(request, SmartProblemError("store_unavailable"))
    return _outcome(status, code, str(error))


async def _not_routed(request: Request, error: Exception) -> Response:
    if _is_for_people(request.scope):
        return await _problem(request, SmartProblemError("not_found"))
    status = error.status_code if isinstance(error, HTTPException) else 404
    code = "not-supported" if status == 405 else "not-found"
    return _outcome(
        status, code, "path: nothing here answers that. GET /cds-services lists what does."
    )


def _outcome(status: int, code: str, diagnostics: str) -> Response:
    metrics.refused(status, code)
    body = operation_outcome(code, diagnostics)
    return Response(body, status, _HEADERS.get(code), media_type=FHIR_JSON)


_HEADERS = {
    "login": {"www-authenticate": "Bearer"},
    "forbidden": {"www-authenticate": 'Bearer error="insufficient_scope"'},
    "timeout": {"connection": "close"},  # the rest of the body may still come
}


_CLIENT_GONE = 499
"""What proxies count a request as whose client left before it was read whole; nobody is sent it."""


class _Observed:
    """One log line for each request; an unforeseen error becomes a 500 that says its number only."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, started, status = uuid.uuid4().hex, perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with request_scope(request_id):
            try:
                await self._app(scope, receive, watched)
            except ClientDisconnect:
                status = status or _CLIENT_GONE
            except Exception as error:
                log_failure(error)
                if not status:
                    await _unforeseen(scope, request_id)(scope, receive, watched)
            seconds = perf_counter() - started
            metrics.answered(getattr(scope.get("route"), "path", metrics.UNROUTED), status, seconds)
            log_answer(status, seconds * 1000)


def _is_for_people(scope: Scope) -> bool:
    """Whether a page is expected and not a FHIR resource."""
    path: str = scope["path"]
    return path.startswith("/smart/")


def _unforeseen(scope: Scope, request_id: str) -> Response:
    if _is_for_people(scope):
        return problem_page(SmartProblemError("failed"), scope["app"].state.service.smart)
    text = f"internal error: nothing was assessed. Report request {request_id}."
    return _outcome(500, "exception", text)
