"""Why an access token is not accepted, or does not allow something: codes for the log. The client is
told none of it. docs/reference/read-api.md."""

from collections.abc import Mapping
from typing import Literal

from cds_service.errors import AccessDeniedError, ClientNotTrustedError

Untrusted = Literal[
    "token_missing",
    "authorization_repeated",
    "authorization_not_bearer",
    "no_tenant_reads",
    "issuer_unknown",
    "algorithm_not_allowed",
    "type_not_access_token",
    "key_id_missing",
    "header_malformed",
    "claim_missing",
    "claim_malformed",
    "audience_mismatch",
    "token_expired",
    "token_not_yet_valid",
    "issued_in_future",
    "token_inactive",
]
Denied = Literal["scope_missing", "patient_claim_missing", "patient_ambiguous", "other_patient"]

UNTRUSTED: Mapping[Untrusted, tuple[str, str]] = {
    "token_missing": (
        "The request has no `Authorization` header.",
        "Send `Authorization: Bearer <access token>`; a token in the address or body is not looked at.",
    ),
    "authorization_repeated": (
        "The request has more than one `Authorization` header.",
        "Send one; look for a proxy that adds its own.",
    ),
    "authorization_not_bearer": (
        "`Authorization` is not `Bearer` and one token of at most 8 KiB.",
        "Send the access token alone.",
    ),
    "no_tenant_reads": (
        "The token is opaque, and no tenant has `api.introspection`.",
        "Configure it, or let the issuer give JSON Web Tokens (RFC 9068).",
    ),
    "issuer_unknown": (
        "No tenant has an `[tenant.api]` with this `iss` and one of the token's `aud`.",
        "Compare both with `issuer` and `audience`, to the letter.",
    ),
    "algorithm_not_allowed": (
        "`alg` is not one of `READMIT_ALGORITHMS`. `none` and HMAC never are.",
        "Allow the issuer's algorithm if it is asymmetric, or change the issuer's.",
    ),
    "type_not_access_token": (
        "`typ` is neither `at+jwt` nor `JWT`.",
        "Send the access token, not another token.",
    ),
    "key_id_missing": ("The header has no `kid`.", "Let the issuer name its key."),
    "header_malformed": (
        "The header names extensions (`crit`, `b64`).",
        "Turn them off at the issuer.",
    ),
    "claim_missing": (
        "One of `iss`, `aud`, `exp` is absent; `claim` in the log line says which.",
        "Let the issuer add it.",
    ),
    "claim_malformed": (
        "A claim has the wrong type; `claim` in the log line says which.",
        "Correct it at the issuer.",
    ),
    "audience_mismatch": (
        "The token is for another audience.",
        "Ask the issuer for a token for `audience`.",
    ),
    "token_expired": (
        "`exp` has passed, by more than `READMIT_CLOCK_SKEW_S`.",
        "Get a new token; compare the clocks.",
    ),
    "token_not_yet_valid": ("`nbf` has not come yet.", "Compare the clocks of both machines."),
    "issued_in_future": ("`iat` lies ahead.", "Compare the clocks of both machines."),
    "token_inactive": (
        "The introspection endpoint says that the token is not active.",
        "Get a new token: it expired, was revoked, or is of another issuer.",
    ),
}
"""Code -> what it means, and what to do. Codes of the key set and the signature are those of
docs/reference/client-authentication.md."""

DENIED: Mapping[Denied, tuple[str, str]] = {
    "scope_missing": (
        "No scope of the token allows this.",
        "Ask for `system/RiskAssessment.rs`, `user/RiskAssessment.rs` or"
        " `patient/RiskAssessment.rs`: `r` reads one, `s` searches; v1 `.read` does both. A scope"
        " narrowed by `?` allows nothing here.",
    ),
    "patient_claim_missing": (
        "The only scope is a `patient/` one, and the token names no patient in `patient`.",
        "Let the issuer put the patient in context into the token.",
    ),
    "patient_ambiguous": (
        "The only scope is a `patient/` one, and the tenant has several FHIR servers: whose id the"
        " token's `patient` is, is not known.",
        "Ask for a `user/` or `system/` scope, and search by the patient's whole address.",
    ),
    "other_patient": (
        "The only scope is a `patient/` one, of another patient than was asked for.",
        "Ask for the token's own patient.",
    ),
}


def untrusted(reason: Untrusted, **facts: str) -> ClientNotTrustedError:
    """The error that one of these reasons is; `facts` are words of ours, for the log."""
    return ClientNotTrustedError(reason, facts)


def denied(reason: Denied) -> AccessDeniedError:
    """The error that one of these reasons is."""
    return AccessDeniedError(reason)
