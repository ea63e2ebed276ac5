"""The authorization endpoint: checks what an app asks for, asks the user, sends the code back."""

from collections.abc import Mapping
from dataclasses import replace
from html import escape
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from tests.smart.ehr.forms import form_of
from tests.smart.ehr.state import Asked, Context, FakeEhr, Registered

S256_LENGTH = 43


async def authorize(request: Request) -> Response:
    """GET, and POST as the capability `authorize-post` offers."""
    ehr: FakeEhr = request.app.state.ehr
    parameters = dict(request.query_params) if request.method == "GET" else await form_of(request)
    ehr.requests.append((request.method, "/auth/authorize", parameters))
    client = ehr.clients.get(parameters.get("client_id", ""))
    if client is None or parameters.get("redirect_uri") != client.redirect_uri:
        return HTMLResponse("<h1>Unknown app or redirect_uri</h1>", 400)
    if error := _error(ehr, parameters):
        return _back(client, parameters, error=error)
    asked = _asked(ehr, client, parameters)
    if ehr.consent == "automatic":
        return _decided(ehr, asked, allowed=not ehr.faults.denied)
    name = ehr.secret()
    ehr.waiting[name] = asked
    return HTMLResponse(_page(name, asked))


async def decide(request: Request) -> Response:
    """The user's answer: `decision`, the scopes ticked, and of several patients the one chosen."""
    ehr: FakeEhr = request.app.state.ehr
    form = await form_of(request, several=("scope",))
    asked = ehr.waiting.pop(form["waiting"])
    ticked = tuple(each for each in asked.scopes if each in form["scope"])
    return _decided(ehr, replace(asked, scopes=ticked), allowed=form["decision"] == "allow")


async def chart(request: Request) -> Response:
    """A page of the EHR that shows the app in a frame, as charts do: `?app=` its launch address."""
    frame = f'<iframe title="App" src="{escape(request.query_params["app"])}"></iframe>'
    return HTMLResponse(
        '<!doctype html><html lang="en"><title>Chart</title><style>iframe{width:100%;height:90vh}'
        f"</style><h1>Chart</h1>{frame}</html>"
    )


def _error(ehr: FakeEhr, parameters: Mapping[str, str]) -> str:
    challenge = parameters.get("code_challenge", "")
    if parameters.get("response_type") != "code":
        return "unsupported_response_type"
    if parameters.get("code_challenge_method") != "S256" or len(challenge) != S256_LENGTH:
        return "invalid_request"
    if parameters.get("aud") != ehr.base or not parameters.get("state"):
        return "invalid_request"
    scopes = parameters.get("scope", "").split()
    launched = parameters.get("launch")
    if bool(launched) != ("launch" in scopes) or (launched and launched not in ehr.launches):
        return "invalid_request"
    return "" if scopes else "invalid_scope"


def _asked(ehr: FakeEhr, client: Registered, parameters: Mapping[str, str]) -> Asked:
    scopes = tuple(parameters["scope"].split())
    launched = parameters.get("launch")
    context = ehr.launches[launched] if launched else _standalone(ehr.standalone, scopes)
    return Asked(client, parameters, context, scopes)


def _standalone(context: Context, scopes: tuple[str, ...]) -> Context:
    """A context is told only to an app that asked for it."""
    return replace(
        context,
        patient=context.patient if "launch/patient" in scopes else None,
        encounter=context.encounter if "launch/encounter" in scopes else None,
    )


def _decided(ehr: FakeEhr, asked: Asked, *, allowed: bool) -> Response:
    if not allowed:
        return _back(asked.client, asked.parameters, error="access_denied")
    code = ehr.secret()
    ehr.codes[code] = asked
    parameters = dict(asked.parameters)
    if ehr.faults.wrong_state:
        parameters["state"] = "a-state-that-nobody-made-" + "x" * 22
    if ehr.faults.no_state:
        del parameters["state"]
    return _back(asked.client, parameters, code=code)


def _back(client: Registered, parameters: Mapping[str, str], **said: str) -> Response:
    state = {"state": parameters["state"]} if "state" in parameters else {}
    return RedirectResponse(f"{client.redirect_uri}?{urlencode(said | state)}", 303)


def _page(name: str, asked: Asked) -> str:
    boxes = "".join(
        f'<li><label><input type="checkbox" name="scope" value="{escape(each)}" checked>'
        f" {escape(each)}</label></li>"
        for each in asked.scopes
    )
    return (
        '<!doctype html><html lang="en"><title>Consent</title><h1>Let the app read your chart?</h1>'
        f'<form method="post" action="decision"><input type="hidden" name="waiting" value="{name}">'
        f'<ul>{boxes}</ul><button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Deny</button></form></html>'
    )
