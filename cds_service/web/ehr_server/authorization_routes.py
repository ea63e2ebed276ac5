"""Launch, sign-in and tokens of the dev EHR over HTTP. It consents by itself: it has no users."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from jinja2 import Environment, FileSystemLoader

from cds_service.web.ehr_server.authorization import Authorization, Open, RefusedAppError
from cds_service.web.ehr_server.charts import Charts
from cds_service.web.ehr_server.received import HEADERS, body, form

_PAGE: Final = HEADERS | {
    "content-security-policy": "default-src 'none'; style-src 'self'; base-uri 'none';"
    " frame-ancestors 'self'"
}
_PAGES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "templates"), autoescape=True
)


class _Launch(msgspec.Struct, rename="camel"):
    """What the page has open when a card's link is followed."""

    patient: str
    encounter: str | None = None
    app_context: str | None = None


def authorization_router(
    server: Authorization, charts: Charts, clock: Callable[[], datetime]
) -> APIRouter:
    """`/dev/launch` for the page, `/dev/auth/...` for the app."""
    router = APIRouter()

    @router.post("/dev/launch")
    async def launch(request: Request) -> JSONResponse:
        opened = _opened(await body(request))
        told = {"iss": server.base, "launch": server.launches.put(opened, clock())}
        return JSONResponse(told, headers=HEADERS)

    @router.api_route("/dev/auth/authorize", methods=["GET", "POST"])
    async def authorize(request: Request) -> Response:
        asked = dict(request.query_params) if request.method == "GET" else await form(request)
        return _answer(server, charts, asked, clock())

    @router.post("/dev/auth/token")
    async def token(request: Request) -> JSONResponse:
        told = server.tokens(await form(request), clock())
        if told is None:
            return JSONResponse({"error": "invalid_grant"}, 400, headers=HEADERS)
        return JSONResponse(told, headers=HEADERS)

    @router.get("/dev/auth/jwks")
    def jwks() -> JSONResponse:
        return JSONResponse({"keys": [server.key.as_dict(private=False)]}, headers=HEADERS)

    return router


def _opened(raw: bytes) -> Open:
    try:
        wanted = msgspec.json.decode(raw, type=_Launch)
    except msgspec.MsgspecError:
        raise HTTPException(400) from None
    return Open(wanted.patient, wanted.encounter, wanted.app_context, in_chart=True)


def _answer(
    server: Authorization, charts: Charts, asked: Mapping[str, str], now: datetime
) -> Response:
    """Back to the app; or to the page that asks whose chart it may have."""
    try:
        server.check_app(asked)
    except RefusedAppError as refused:
        return _page("unknown_app.html", 400, what=refused)
    chosen = _chosen(asked, charts)
    if chosen is None:
        return _page("choose.html", asked=asked, patients=charts.gallery.lines())
    return RedirectResponse(server.redirect(asked, chosen, now), 303, headers=HEADERS)


def _chosen(asked: Mapping[str, str], charts: Charts) -> Open | None:
    """Whose chart an app gets that was not opened from one; None: the user has yet to say."""
    if "launch" in asked or "launch/patient" not in asked.get("scope", "").split():
        return Open()
    return Open(charts.patient_of(asked["chart"])) if "chart" in asked else None


def _page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    html = _PAGES.get_template(template).render(**values)
    return HTMLResponse(html, status, headers=_PAGE)
