"""SMART Backend Services: discovery, and tokens for assertions that are really verified."""

from typing import Any

from joserfc.jws import extract_compact
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.batch.bulk_server.noting import noted
from tests.smart.ehr.client_auth import RefusedClientError, authenticated
from tests.smart.ehr.forms import form_of


async def configuration(request: Request) -> Response:
    server, instead = await noted(request, "configuration")
    if instead is not None:
        return instead
    stated: dict[str, Any] = {
        "token_endpoint": f"{server.auth}/token",
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "capabilities": ["client-confidential-asymmetric", "permission-v2"],
        "code_challenge_methods_supported": ["S256"],
    } | dict(server.faults.configuration)
    return JSONResponse({name: value for name, value in stated.items() if value is not None})


async def token(request: Request) -> Response:
    server, instead = await noted(request, "token")
    if instead is not None:
        return instead
    form = await form_of(request)
    if form.get("grant_type") != "client_credentials" or not form.get("scope"):
        return JSONResponse({"error": "invalid_request"}, 400)
    try:
        await authenticated(server, request, form)  # type: ignore[arg-type]
    except RefusedClientError:
        return JSONResponse({"error": "invalid_client"}, 401)
    header = extract_compact(form["client_assertion"].encode()).headers()
    server.algorithms.append(header["alg"])
    given = {
        "access_token": server.new_token(),
        "token_type": "bearer",
        "expires_in": server.faults.expires_in,
        "scope": form["scope"],
    } | dict(server.faults.token_response)
    return JSONResponse({name: value for name, value in given.items() if value is not None})
