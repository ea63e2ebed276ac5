"""The token endpoint: codes for tokens, refresh tokens for new ones, each once; introspection."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from joserfc.util import urlsafe_b64encode
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.smart.ehr.client_auth import RefusedClientError, authenticated, basic
from tests.smart.ehr.forms import form_of
from tests.smart.ehr.id_tokens import id_token_of
from tests.smart.ehr.state import INTROSPECTOR, Access, Asked, Context, FakeEhr, Json, Registered

OFFLINE = frozenset(("offline_access", "online_access"))
UNCACHED = {"cache-control": "no-store", "pragma": "no-cache"}


async def token(request: Request) -> Response:
    ehr: FakeEhr = request.app.state.ehr
    form = await form_of(request)
    ehr.requests.append(("POST", "/auth/token", form))
    ehr.issued.update(form[name] for name in ("code_verifier", "client_assertion") if name in form)
    if ehr.faults.token_error:
        return _refused(ehr.faults.token_error)
    try:
        client = await authenticated(ehr, request, form)
    except RefusedClientError as refused:
        return _refused("invalid_client", str(refused), 401)
    grants = {"authorization_code": _of_code, "refresh_token": _of_refresh}
    grant = grants.get(form.get("grant_type", ""))
    return _refused("unsupported_grant_type") if grant is None else grant(ehr, client, form)


def _of_code(ehr: FakeEhr, client: Registered, form: Mapping[str, str]) -> Response:
    asked = ehr.codes.pop(form.get("code", ""), None)
    if asked is None or asked.client != client:
        return _refused("invalid_grant", "the code is not known, spent, or another app's")
    challenge = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).decode()
    if challenge != asked.parameters["code_challenge"]:
        return _refused("invalid_grant", "code_verifier is not that of the code_challenge")
    if form.get("redirect_uri") != client.redirect_uri:
        return _refused("invalid_grant", "redirect_uri is not that of the code")
    scopes = tuple(ehr.faults.granted(asked.scopes))
    context = _launched(ehr, asked.context)
    access = Access(client.client_id, scopes, context, family=ehr.secret(), expires=0)
    identity = _identity(ehr, asked, scopes)
    return _granted(ehr, access, identity | _said(context) | dict(ehr.faults.token_response))


def _of_refresh(ehr: FakeEhr, client: Registered, form: Mapping[str, str]) -> Response:
    """A refresh token that comes twice was stolen once: everything of its family ends."""
    told = form.get("refresh_token", "")
    if family := ehr.spent_refreshes.get(told):
        ehr.refreshes = {key: each for key, each in ehr.refreshes.items() if each.family != family}
        ehr.accesses = {key: each for key, each in ehr.accesses.items() if each.family != family}
        return _refused("invalid_grant", "the refresh token was used before")
    access = ehr.refreshes.get(told)
    if ehr.faults.refresh_refused or access is None or access.client_id != client.client_id:
        return _refused("invalid_grant", "the refresh token is not known, or has ended")
    del ehr.refreshes[told]
    ehr.spent_refreshes[told] = access.family
    return _granted(ehr, access, {})


def _granted(ehr: FakeEhr, access: Access, more: Json) -> Response:
    made, seconds = ehr.secret(), ehr.faults.expires_in
    answer: Json = {"access_token": made, "token_type": "Bearer", "expires_in": seconds}
    issued = Access(
        access.client_id, access.scopes, access.context, access.family, ehr.now + seconds
    )
    ehr.accesses[made] = issued
    if OFFLINE & set(access.scopes) and not ehr.faults.without_refresh:
        answer["refresh_token"] = ehr.secret()
        ehr.refreshes[answer["refresh_token"]] = issued
    answer |= {"scope": " ".join(access.scopes)} | more
    return JSONResponse(answer, headers=UNCACHED)


def _launched(ehr: FakeEhr, context: Context) -> Context:
    """The context as told and as enforced: another patient's token is for that patient."""
    faults = ehr.faults
    patient = None if faults.without_patient else faults.another_patient or context.patient
    encounter = None if faults.without_encounter else context.encounter
    return Context(
        patient,
        encounter,
        context.user,
        context.app_context,
        context.need_patient_banner,
        context.fhir_context,
    )


def _said(context: Context) -> Json:
    said: dict[str, Any] = {
        "patient": context.patient,
        "encounter": context.encounter,
        "appContext": context.app_context,
        "need_patient_banner": context.need_patient_banner,
        "fhirContext": list(context.fhir_context) or None,
    }
    return {name: value for name, value in said.items() if value is not None}


def _identity(ehr: FakeEhr, asked: Asked, scopes: tuple[str, ...]) -> Json:
    if "openid" not in scopes or ehr.faults.id_token == "missing":
        return {}
    nonce = asked.parameters.get("nonce")
    made = id_token_of(ehr, asked.client.client_id, asked.context.user, nonce)
    ehr.issued.add(made)
    return {"id_token": made}


def _refused(error: str, why: str = "", status: int = 400) -> Response:
    return JSONResponse({"error": error, "error_description": why}, status, headers=UNCACHED)


async def introspect(request: Request) -> Response:
    """RFC 7662, and what SMART adds to it; asked by INTROSPECTOR only."""
    ehr: FakeEhr = request.app.state.ehr
    form = await form_of(request)
    if basic(request) != INTROSPECTOR:
        return _refused("invalid_client", status=401)
    access = ehr.accesses.get(form.get("token", ""))
    if access is None or access.expires <= ehr.now:
        return JSONResponse({"active": False})
    told: Json = {
        "active": True,
        "iss": ehr.base,
        "scope": " ".join(access.scopes),
        "client_id": access.client_id,
        "exp": int(access.expires),
        "sub": access.context.user,
        "fhirUser": f"{ehr.base}/{access.context.user}",
    }
    return JSONResponse(told | _said(access.context), headers=UNCACHED)
