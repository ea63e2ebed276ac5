"""The routes by which a user signs in and out, the pages' static files, and the app's public keys."""

from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from cds_service.dependencies import State
from cds_service.smart.access import sign_out
from cds_service.smart.callback import finish
from cds_service.smart.cookies import ended_cookie
from cds_service.smart.forms import Form
from cds_service.smart.headers import PRIVATE, page_headers
from cds_service.smart.launching import Redirected, begin, server_named
from cds_service.smart.pages import organisations_page, signed_out_page
from cds_service.smart.problems import SmartProblemError
from cds_service.smart.scopes import Kind
from cds_service.smart.session import Session
from cds_service.smart.view.page import STATIC as PAGE_STATIC

router = APIRouter()
signed_in = APIRouter(prefix="/smart/s/{sid}")
STATIC: Final = {"problem.css": "text/css", "worklist.css": "text/css"} | dict(PAGE_STATIC)
"""The only files that can be had, whatever is asked for."""
_SEE_OTHER: Final = 303
_KEYS_KEPT: Final = "public, max-age=600"


@router.get("/smart/launch", response_class=RedirectResponse)
async def launch(state: State, iss: str = "", launch: str = "") -> Response:
    """EHR launch (SMART App Launch 2.2): the EHR names its FHIR server and what it launched."""
    if not iss or not launch:
        raise SmartProblemError("launch_incomplete")
    app, now = state.smart, state.clock()
    server = server_named(app, iss)
    return _away(await begin(app, server, kind="patient", iss=iss, launch=launch, now=now))


@router.get("/smart/standalone", response_class=RedirectResponse)
async def standalone(
    state: State, iss: str = "", wanted: Annotated[str, Query(alias="for")] = ""
) -> Response:
    """Standalone launch: of the one server there is, of the one named, or a choice."""
    app, now = state.smart, state.clock()
    kind: Kind = "worklist" if wanted == "worklist" else "patient"
    if not iss and len(app.servers) != 1:
        return organisations_page(app.servers, app, worklist=kind == "worklist")
    server = server_named(app, iss or app.servers[0].base)
    named = iss or server.base
    return _away(await begin(app, server, kind=kind, iss=named, launch=None, now=now))


@router.get("/smart/callback", response_class=RedirectResponse)
async def callback(request: Request, state: State) -> Response:
    """Where the authorization server sends the browser back to."""
    said = dict(request.query_params)
    to, gone = await finish(state.smart, said, request.cookies, now=state.clock())
    answer = _away(to)
    answer.headers.append("set-cookie", gone)
    return answer


@signed_in.post("/logout", response_class=HTMLResponse)
async def logout(session: Session, _form: Form, state: State) -> Response:
    """End the session, here and at its server."""
    await sign_out(session, state)
    gone = ended_cookie(state.smart.address, session.id)
    return signed_out_page(session.tenant, state.smart, gone)


@router.get("/smart/static/{name}", response_class=FileResponse)
def static(name: str) -> Response:
    """A style sheet or script of the pages."""
    if name not in STATIC:
        raise SmartProblemError("not_found")
    headers = page_headers(()) | {"cache-control": "no-cache"}
    path = Path(__file__).parent / "static" / name
    return FileResponse(path, media_type=STATIC[name], headers=headers)


@router.get("/.well-known/jwks.json")
def app_keys(state: State) -> Response:
    """The public halves of the keys that the app signs with at token endpoints."""
    headers = {"cache-control": _KEYS_KEPT, "x-content-type-options": "nosniff"}
    return Response(state.smart.keys.public(), media_type="application/json", headers=headers)


router.include_router(signed_in)


def _away(to: Redirected) -> Response:
    answer = RedirectResponse(to.location, _SEE_OTHER, dict(PRIVATE))
    answer.headers.append("set-cookie", to.cookie)
    return answer
