"""Why a client is not trusted: one code each, for the service's log. The client is told none of it."""

from collections.abc import Mapping
from typing import Literal

from cds_service.errors import ClientNotTrustedError

Refusal = Literal[
    "token_missing",
    "authorization_repeated",
    "authorization_not_bearer",
    "token_malformed",
    "header_malformed",
    "algorithm_not_allowed",
    "type_not_jwt",
    "key_id_missing",
    "claim_missing",
    "claim_malformed",
    "issuer_unknown",
    "key_set_not_allowed",
    "key_set_not_named",
    "token_expired",
    "token_not_yet_valid",
    "issued_in_future",
    "lifetime_too_long",
    "audience_mismatch",
    "key_set_unavailable",
    "key_unknown",
    "key_unfit",
    "key_for_other_algorithm",
    "signature_invalid",
    "token_spent",
]

REFUSALS: Mapping[Refusal, tuple[str, str]] = {
    "token_missing": (
        "The request has no `Authorization` header.",
        "Send `Authorization: Bearer <token>` with every call, discovery too. A token in the"
        " address or in the body is not looked at.",
    ),
    "authorization_repeated": (
        "The request has more than one `Authorization` header.",
        "Send one; look for a proxy that adds its own.",
    ),
    "authorization_not_bearer": (
        "`Authorization` is not `Bearer` and one JSON Web Token.",
        "Send the signed token alone, in its compact form. Basic authentication is not accepted.",
    ),
    "token_malformed": (
        "The token is not three base64url parts of which the first two are JSON objects, or it is"
        " longer than 8 KiB.",
        "Build it with a JSON Web Token library.",
    ),
    "header_malformed": (
        "A member of the token's header has the wrong type, or the header names extensions"
        " (`crit`, `b64`), which CDS Hooks has none of.",
        "Send `alg`, `kid`, `typ` and, where agreed, `jku`.",
    ),
    "algorithm_not_allowed": (
        "`alg` is not one of `READMIT_ALGORITHMS`. `none` and HMAC never are.",
        "Sign with one of them, or allow another asymmetric algorithm.",
    ),
    "type_not_jwt": ("`typ` is not `JWT`.", "Set it: CDS Hooks fixes the value."),
    "key_id_missing": (
        "The header has no `kid`.",
        "Name the key that signs by its `kid` in the key set.",
    ),
    "claim_missing": (
        "One of `iss`, `aud`, `exp`, `iat`, `jti` is absent; `claim` in the log line says which.",
        "Add it.",
    ),
    "claim_malformed": (
        "A claim has the wrong type; `claim` in the log line says which. Times are numbers of"
        " seconds since 1970, the others text that is not empty; `aud` may be an array of such.",
        "Correct the type.",
    ),
    "issuer_unknown": (
        "No tenant has this `iss`, to the letter.",
        "Compare the client's `iss` with `iss` in the tenants file: a final slash counts.",
    ),
    "key_set_not_allowed": (
        "The tenant with this `iss` has another `jku`, or none. The one in the token was not"
        " fetched.",
        "Compare the client's `jku` with `jku` in the tenants file, to the letter.",
    ),
    "key_set_not_named": (
        "Several tenants share this `iss`, and the token has no `jku` that would tell them apart.",
        "Let the client send `jku`.",
    ),
    "token_expired": (
        "`exp` has passed, by more than `READMIT_CLOCK_SKEW_S`.",
        "Make a new token for every call; compare the clocks.",
    ),
    "token_not_yet_valid": ("`nbf` has not come yet.", "Compare the clocks of both machines."),
    "issued_in_future": (
        "`iat` lies ahead, by more than `READMIT_CLOCK_SKEW_S`.",
        "Compare the clocks of both machines.",
    ),
    "lifetime_too_long": (
        "`exp` is more than `READMIT_TOKEN_LIFETIME_S` after `iat`.",
        "Let the client sign for less, or raise the setting.",
    ),
    "audience_mismatch": (
        "`aud` does not hold the address of the endpoint called: `READMIT_PUBLIC_URL` followed by"
        " the path, each endpoint its own. `differs` in the log line says in what:"
        " `scheme`, `host` (with its port), `path`, `final_slash`, or `not_an_address`.",
        "Behind a proxy `READMIT_PUBLIC_URL` must be the address that clients call. Where `path`"
        " differs, the client signs for the base URL or for another endpoint.",
    ),
    "key_set_unavailable": (
        "The keys could not be had from the tenant's `jku`. `key_set` in the log line says why:"
        " `unreachable`, `timeout`, `status` (not 200; a redirect is not followed), `too_large`"
        " or `not_a_key_set`.",
        "Fetch the address from the service's machine. It is tried again after five seconds.",
    ),
    "key_unknown": (
        "The key set has no key of this `kid`, also when it was fetched anew.",
        "Publish the key before signing with it. An unknown `kid` is looked for every 30 seconds"
        " at most; keys of a `jwks` file are read at start.",
    ),
    "key_unfit": (
        "The key set names this `kid`, but the key cannot be trusted: it is symmetric or private,"
        " not for signatures (`use`, `key_ops`), an RSA key under 2048 bits, damaged, or one of"
        " two with the same `kid`.",
        "Publish public RSA or EC keys, each with a `kid` of its own. Replace a private key that"
        " was published.",
    ),
    "key_for_other_algorithm": (
        "The key's type, curve or `alg` is not that of the token's `alg`.",
        "Sign ES384 with a P-384 key, RS384 with an RSA key; let the key's `alg` say the same.",
    ),
    "signature_invalid": (
        "The signature is not that of the named key over this token.",
        "Look for two keys under one `kid`, or for a token that was changed after signing.",
    ),
    "token_spent": (
        "A token with this `iss` and `jti` was used before.",
        "Make a new token, with a new `jti`, for every call; a retry needs one too.",
    ),
}
"""Code -> what it means, and what to do about it. docs/reference/client-authentication.md."""


def refused(reason: Refusal, **facts: str) -> ClientNotTrustedError:
    """The error that one of these reasons is; `facts` are words of ours, for the log."""
    return ClientNotTrustedError(reason, facts)
