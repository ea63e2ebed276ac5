"""id_tokens of the fake EHR: right, and wrong in each way that an app has to notice."""

from typing import Any

from joserfc.jwk import RSAKey

from tests.security.clients import compact, signing
from tests.smart.ehr.state import FakeEhr

LIFETIME_S = 600


def id_token_of(ehr: FakeEhr, client_id: str, user: str, nonce: str | None) -> str:
    """Signed with RS256, which every SMART app can verify."""
    fault, issued = ehr.faults.id_token, int(ehr.now)
    claims: dict[str, Any] = {
        "iss": ehr.base,
        "sub": user,
        "aud": client_id,
        "iat": issued,
        "exp": issued + LIFETIME_S,
        "fhirUser": f"{ehr.base}/{user}",
    }
    if nonce is not None:
        claims["nonce"] = nonce
    claims |= _tampered(fault, issued)
    if fault == "alg none":
        return compact({"alg": "none", "typ": "JWT"}, claims, lambda _: b"")
    return compact(_header(ehr), claims, signing(_key(ehr)))


def _header(ehr: FakeEhr) -> dict[str, Any]:
    return {"alg": "RS256", "typ": "JWT", "kid": ehr.key.kid}


def _key(ehr: FakeEhr) -> RSAKey:
    """A stranger's key, where the signature is to be wrong."""
    if ehr.faults.id_token != "signature":
        return ehr.key
    named: Any = {"alg": "RS256"}
    return RSAKey.generate_key(2048, named)


def _tampered(fault: str | None, issued: int) -> dict[str, Any]:
    wrong: dict[str, dict[str, Any]] = {
        "aud": {"aud": "another-app"},
        "iss": {"iss": "https://another-ehr.example/fhir"},
        "nonce": {"nonce": "of-another-launch"},
        "exp": {"iat": issued - 7200, "exp": issued - 3600},
    }
    return wrong.get(fault or "", {})
