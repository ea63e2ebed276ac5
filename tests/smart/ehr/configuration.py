"""`/.well-known/smart-configuration` and the key set of the fake EHR."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.smart.ehr.state import FakeEhr, Json

CAPABILITIES = (
    "launch-ehr", "launch-standalone", "authorize-post", "client-public",
    "client-confidential-symmetric", "client-confidential-asymmetric", "sso-openid-connect",
    "context-banner", "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient",
    "context-standalone-encounter", "permission-offline", "permission-patient", "permission-user",
    "permission-v1", "permission-v2",
)  # fmt: skip


def configuration_of(ehr: FakeEhr) -> Json:
    """The configuration as it would be told, faults included."""
    told: dict[str, Any] = {
        "issuer": ehr.base,
        "jwks_uri": f"{ehr.auth}/jwks",
        "authorization_endpoint": f"{ehr.auth}/authorize",
        "token_endpoint": f"{ehr.auth}/token",
        "introspection_endpoint": f"{ehr.auth}/introspect",
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS384", "ES384"],
        "scopes_supported": ["openid", "fhirUser", "launch", "launch/patient", "offline_access"],
        "capabilities": list(CAPABILITIES),
    }
    told |= ehr.faults.configuration
    return {name: value for name, value in told.items() if value is not None}


async def configuration(request: Request) -> Response:
    ehr: FakeEhr = request.app.state.ehr
    return JSONResponse(configuration_of(ehr), ehr.faults.configuration_status)


async def jwks(request: Request) -> Response:
    ehr: FakeEhr = request.app.state.ehr
    return JSONResponse({"keys": [ehr.key.as_dict(private=False)]})
