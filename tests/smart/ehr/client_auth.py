"""Which app calls the token endpoint: a public one, one with a secret, or one that signs with its key."""

import base64
import json
from collections.abc import Mapping

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from starlette.requests import Request

from tests.smart.ehr.state import FakeEhr, Registered

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["RS384", "ES384"]
LONGEST_S = 300


class RefusedClientError(Exception):
    """Why the app is not believed."""


async def authenticated(ehr: FakeEhr, request: Request, form: Mapping[str, str]) -> Registered:
    """The app that calls. Raises RefusedClientError."""
    told = basic(request)
    client_id = told[0] if told else form.get("client_id") or _issuer(form)
    client = ehr.clients.get(client_id)
    if client is None:
        raise RefusedClientError("no such app")
    if client.auth == "secret" and told != (client.client_id, client.secret):
        raise RefusedClientError("the secret is not that of the app")
    if client.auth != "secret" and told:
        raise RefusedClientError("this app has no secret")
    if client.auth == "private_key":
        await _check_assertion(ehr, client, form)
    return client


def basic(request: Request) -> tuple[str, str] | None:
    """User and password of HTTP Basic."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    user, _, password = base64.b64decode(encoded).decode().partition(":")
    return user, password


def _issuer(form: Mapping[str, str]) -> str:
    """Whom an assertion says it is of: only a claim, until its signature is checked."""
    try:
        body = form["client_assertion"].split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(body + "=="))["iss"])
    except (KeyError, IndexError, ValueError):
        return ""


async def _check_assertion(ehr: FakeEhr, client: Registered, form: Mapping[str, str]) -> None:
    """SMART App Launch 2.2, Client Authentication: Asymmetric. Raises RefusedClientError."""
    if form.get("client_assertion_type") != ASSERTION:
        raise RefusedClientError("no client_assertion of the type jwt-bearer")
    keys = KeySet.import_key_set(await _key_set(client))
    try:
        signed = jwt.decode(form.get("client_assertion", ""), keys, algorithms=ALGORITHMS)
    except (JoseError, ValueError) as wrong:
        raise RefusedClientError(f"the assertion cannot be verified: {wrong}") from None
    claims, header = signed.claims, signed.header
    if header.get("typ") != "JWT" or not header.get("kid"):
        raise RefusedClientError("the header needs typ JWT and kid")
    if not claims.get("iss") == claims.get("sub") == client.client_id:
        raise RefusedClientError("iss and sub are not the app")
    if claims.get("aud") not in (f"{ehr.auth}/token", [f"{ehr.auth}/token"]):
        raise RefusedClientError("aud is not the token endpoint")
    if not ehr.now < claims.get("exp", 0) <= ehr.now + LONGEST_S:
        raise RefusedClientError("exp is over, or more than five minutes off")
    if not claims.get("jti") or claims["jti"] in ehr.jtis:
        raise RefusedClientError("jti is missing, or was used before")
    ehr.jtis.add(claims["jti"])


async def _key_set(client: Registered) -> dict:
    if not isinstance(client.jwks, str):
        return client.jwks
    async with httpx.AsyncClient() as http:
        return (await http.get(client.jwks)).json()
