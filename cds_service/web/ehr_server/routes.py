"""`/dev/launch`, `/dev/auth/...` and `/dev/fhir/...`: what an EHR serves to a SMART app. Under --dev only."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from cds_service.errors import FHIR_JSON, operation_outcome
from cds_service.web.ehr_server import search
from cds_service.web.ehr_server.authorization import Authorization, Open, RefusedAppError
from cds_service.web.ehr_server.charts import Charts

FHIR: Final = "/dev/fhir"
_LONGEST: Final = 64 * 1024
_HEADERS: Final = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
_PAGE: Final = _HEADERS | {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none';"
    " frame-ancestors 'self'"
}
_TEMPLATES: Final = Path(__file__).parents[1] / "templates"


class _Launch(msgspec.Struct, rename="camel"):
    """What the page has open when a card's link is followed."""

    patient: str
    encounter: str | None = None
    app_context: str | None = None


def ehr_server_router(charts: Charts, address: str, *, clock: Callable[[], datetime]) -> APIRouter:
    """The EHR's own endpoints. `address`: of this service, where the browser and the app reach it."""
    router = APIRouter(include_in_schema=False)
    server = Authorization(f"{address}{FHIR}", f"{address}/dev/auth", f"{address}/smart/callback")
    _add_authorization(router, server, charts, clock)
    _add_fhir(router, server, charts, clock)
    return router


def _add_authorization(
    router: APIRouter, server: Authorization, charts: Charts, clock: Callable[[], datetime]
) -> None:
    templates = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True)

    @router.post("/dev/launch")
    async def launch(request: Request) -> JSONResponse:
        try:
            wanted = msgspec.json.decode(await _body(request), type=_Launch)
        except msgspec.MsgspecError:
            raise HTTPException(400) from None
        opened = Open(wanted.patient, wanted.encounter, wanted.app_context, in_chart=True)
        told = {"iss": server.base, "launch": server.launches.put(opened, clock())}
        return JSONResponse(told, headers=_HEADERS)

    @router.api_route("/dev/auth/authorize", methods=["GET", "POST"])
    async def authorize(request: Request) -> Response:
        asked = dict(request.query_params) if request.method == "GET" else await _form(request)
        try:
            server.check_app(asked)
        except RefusedAppError as refused:
            html = templates.get_template("unknown_app.html").render(what=refused)
            return HTMLResponse(html, 400, headers=_PAGE)
        chosen = _chosen(asked, charts)
        if chosen is None:
            html = templates.get_template("choose.html").render(
                asked=asked, patients=charts.gallery.lines()
            )
            return HTMLResponse(html, headers=_PAGE)
        return RedirectResponse(server.redirect(asked, chosen, clock()), 303, headers=_HEADERS)

    @router.post("/dev/auth/token")
    async def token(request: Request) -> JSONResponse:
        told = server.tokens(await _form(request), clock())
        if told is None:
            return JSONResponse({"error": "invalid_grant"}, 400, headers=_HEADERS)
        return JSONResponse(told, headers=_HEADERS)

    @router.get("/dev/auth/jwks")
    def jwks() -> JSONResponse:
        return JSONResponse({"keys": [server.key.as_dict(private=False)]}, headers=_HEADERS)


def _chosen(asked: Mapping[str, str], charts: Charts) -> Open | None:
    """Whose chart a standalone app gets; None: the user has yet to say."""
    if "launch" in asked or "launch/patient" not in asked.get("scope", "").split():
        return Open()
    return Open(charts.patient_of(asked["chart"])) if "chart" in asked else None


def _add_fhir(
    router: APIRouter, server: Authorization, charts: Charts, clock: Callable[[], datetime]
) -> None:
    @router.get(FHIR + "/.well-known/smart-configuration")
    def configuration() -> JSONResponse:
        return JSONResponse(server.configuration, headers=_HEADERS)

    @router.get(FHIR + "/{kind}")
    def find(request: Request, kind: str) -> Response:
        opened = server.accesses.get(_bearer(request), clock())
        if opened is None:
            return _refused(401, "login")
        asked = {name: request.query_params.getlist(name) for name in request.query_params}
        try:
            found = search.searchset(
                charts.resources(), kind, asked, server.base, patient=opened.patient
            )
        except search.UnsupportedSearchError:
            return _refused(400, "not-supported")
        return _fhir(found)

    @router.get(FHIR + "/{kind}/{name}")
    def read(request: Request, kind: str, name: str) -> Response:
        opened = server.accesses.get(_bearer(request), clock())
        if opened is None:
            return _refused(401, "login")
        found = search.read(charts.resources(), kind, name)
        if found is None:
            return _refused(404, "not-found")
        return _fhir(found) if search.of(found, opened.patient) else _refused(403, "forbidden")


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _fhir(resource: Any) -> JSONResponse:
    return JSONResponse(resource, headers=_HEADERS, media_type=FHIR_JSON)


def _refused(status: int, code: str) -> Response:
    text = "The dev EHR gives what the token's patient may be read for, to whoever has the token."
    outcome = operation_outcome(code, text)
    return Response(outcome, status, headers=_HEADERS, media_type=FHIR_JSON)


async def _form(request: Request) -> dict[str, str]:
    return dict(parse_qsl((await _body(request)).decode("utf-8", "replace")))


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > _LONGEST:
            raise HTTPException(413)
    return bytes(received)
