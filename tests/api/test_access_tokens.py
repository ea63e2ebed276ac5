"""Access tokens that are JSON Web Tokens: which are accepted, and why the others are not."""

import hmac
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import Key

from cds_service.observability import configure_logging
from tests.api.hospitals import Hospital, hospital, reading
from tests.security.clients import (
    Clock,
    Ehr,
    compact,
    key_server,
    public,
    signing,
    signing_key,
)
from tests.security.logs import answered, leaked
from tests.service.patients import NOW

pytestmark = pytest.mark.sampled(6)

MOMENT = int(NOW.timestamp())
STRANGER = signing_key("as-1")


def signed_with(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, "sha384")


def forged(north: Hospital, sign: Callable[[bytes], bytes], **header: Any) -> str:
    """Right in everything but the signature."""
    claims = {
        "iss": north.api["issuer"],
        "aud": north.api["audience"],
        "exp": MOMENT + 60,
        "scope": "system/*.rs",
    }
    told = {"alg": "ES384", "typ": "at+jwt", "kid": "as-1"} | header
    return compact(told, claims, sign)


def tampered(north: Hospital) -> str:
    head, _, sign = north.access_token("patient/RiskAssessment.rs", patient="p").split(".")
    other = north.access_token("system/RiskAssessment.rs").split(".")[1]
    return f"{head}.{other}.{sign}"


ACCEPTED: dict[str, Callable[[Hospital], str]] = {
    "at+jwt": lambda n: n.access_token(),
    "whole type": lambda n: n.access_token(header={"typ": "application/at+jwt"}),
    "JWT": lambda n: n.access_token(header={"typ": "JWT"}),
    "no type": lambda n: n.access_token(header={"typ": None}),
    "several audiences": lambda n: n.access_token(aud=["https://other", n.api["audience"]]),
    "no times but its end": lambda n: n.access_token(iat=None, jti=None, sub=None),
    "a clock that is behind": lambda n: n.access_token(exp=MOMENT - 20, iat=MOMENT + 20),
}
REFUSED: dict[str, tuple[Callable[[Hospital], str], str]] = {
    "expired": (lambda n: n.access_token(exp=MOMENT - 31), "token_expired"),
    "not yet": (lambda n: n.access_token(nbf=MOMENT + 31), "token_not_yet_valid"),
    "of the future": (lambda n: n.access_token(iat=MOMENT + 31), "issued_in_future"),
    "other audience": (lambda n: n.access_token(aud="https://other"), "audience_mismatch"),
    "no audience": (lambda n: n.access_token(aud=None), "claim_missing"),
    "no end": (lambda n: n.access_token(exp=None), "claim_missing"),
    "no issuer": (lambda n: n.access_token(iss=None), "claim_missing"),
    "an end that is text": (lambda n: n.access_token(exp="9"), "claim_malformed"),
    "an end that is no number": (lambda n: n.access_token(exp=float("nan")), "claim_malformed"),
    "nbf that is text": (lambda n: n.access_token(nbf="9"), "claim_malformed"),
    "other issuer": (lambda n: n.access_token(iss="https://as.evil"), "issuer_unknown"),
    "issuer with a slash": (lambda n: n.access_token(iss=n.api["issuer"] + "/"), "issuer_unknown"),
    "an id token": (lambda n: n.access_token(header={"typ": "ID"}), "type_not_access_token"),
    "other key": (lambda n: forged(n, signing(STRANGER)), "signature_invalid"),
    "unknown key": (lambda n: forged(n, signing(STRANGER), kid="as-9"), "key_unknown"),
    "no key": (lambda n: forged(n, signing(STRANGER), kid=None), "key_id_missing"),
    "none": (lambda n: forged(n, lambda _: b"", alg="none"), "algorithm_not_allowed"),
    "no algorithm": (lambda n: forged(n, lambda _: b"", alg=None), "algorithm_not_allowed"),
    "hmac with the public key": (
        lambda n: forged(n, signed_with(n.signer.as_pem(private=False)), alg="HS384"),  # type: ignore[attr-defined]
        "algorithm_not_allowed",
    ),
    "hmac with the key set": (
        lambda n: forged(n, signed_with(public(n.signer)), alg="HS384"),
        "algorithm_not_allowed",
    ),
    "another family": (
        lambda n: forged(n, signing(signing_key("as-1", "RS384")), alg="RS384"),
        "key_for_other_algorithm",
    ),
    "critical": (
        lambda n: forged(n, signing(n.signer), crit=["exp"]),
        "header_malformed",
    ),
    "tampered": (tampered, "signature_invalid"),
    "no signature": (lambda n: n.access_token().rpartition(".")[0] + ".", "signature_invalid"),
    "opaque": (lambda n: "0123456789abcdef", "no_tenant_reads"),
    "not base64": (lambda n: "a.b.c", "no_tenant_reads"),
}


async def status(north: Hospital, folder: Path, *headers: str, **other: Any) -> int:
    sent = [("authorization", each) for each in headers]
    async with reading(folder, north, **other) as service:
        path = "/assessments?patient=p"
        return (await service.http.get(path, headers=sent)).status_code


@pytest.mark.parametrize("case", ACCEPTED)
async def test_accepted(case: str, north: Hospital, tmp_path: Path) -> None:
    assert await status(north, tmp_path, f"Bearer {ACCEPTED[case](north)}") == 200


@pytest.mark.parametrize("case", REFUSED)
async def test_refused_and_why(
    case: str, north: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, reason = REFUSED[case]
    assert await status(north, tmp_path, f"Bearer {make(north)}") == 401
    assert answered(capsys.readouterr().err)["refused"] == reason


HEADERS: dict[str, tuple[tuple[str, ...], str]] = {
    "none": ((), "token_missing"),
    "two": (("Bearer a", "Bearer b"), "authorization_repeated"),
    "basic": (("Basic YTpi",), "authorization_not_bearer"),
    "empty": (("Bearer ",), "authorization_not_bearer"),
    "two words": (("Bearer a b",), "authorization_not_bearer"),
    "too long": (("Bearer " + "a" * 8193,), "authorization_not_bearer"),
}


@pytest.mark.parametrize("case", HEADERS)
async def test_what_is_no_bearer_token(
    case: str, north: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    headers, reason = HEADERS[case]
    assert await status(north, tmp_path, *headers) == 401
    assert answered(capsys.readouterr().err)["refused"] == reason


async def test_every_refusal_looks_the_same_and_nothing_of_a_token_is_written(
    north: Hospital,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    configure_logging("debug")
    caplog.set_level(logging.DEBUG)
    bodies, tokens = set(), [make(north) for make, _ in REFUSED.values()]
    async with reading(tmp_path, north, log_level="debug") as service:
        for token in tokens:
            answer = await service.get("/assessments", {"Authorization": f"Bearer {token}"})
            assert answer.headers["www-authenticate"] == "Bearer"
            bodies.add(answer.content)
    assert len(bodies) == 1
    parts = {part for token in tokens for part in token.split(".") if len(part) > 8}
    decoded = {"https://as.evil", "bulk-reader"}
    assert leaked(parts | decoded, capsys.readouterr().err, caplog) == []


async def test_a_client_of_the_hooks_cannot_read_and_a_reader_cannot_call(
    north: Hospital, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with reading(tmp_path, north) as service:
        as_client = await service.get("/assessments", north.authorization("/assessments"))
        assert as_client.status_code == 401
        assert answered(capsys.readouterr().err)["refused"] == "issuer_unknown"
        as_reader = await service.get("/cds-services", north.bearer())
        assert as_reader.status_code == 401


async def test_a_token_for_two_hospitals_of_one_issuer_is_neithers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = signing_key("as-1")
    with key_server(key) as keys:
        one, other = hospital("one", keys.address, key), hospital("other", keys.address, key)
        shared = {"issuer": one.api["issuer"], "jwks_uri": keys.address}
        one = replace(one, api={**shared, "audience": "https://one"})
        other = replace(other, api={**shared, "audience": "https://other"})
        async with reading(tmp_path, one, other) as service:
            for audience in ("https://one", "https://other"):
                answer = await service.get("/assessments", one.bearer(aud=audience), patient="p")
                assert answer.status_code == 200
                named = audience.removeprefix("https://")
                assert answered(capsys.readouterr().err)["tenant"] == named
            both: Any = ["https://one", "https://other"]
            assert (await service.get("/assessments", one.bearer(aud=both))).status_code == 401


async def test_without_an_api_nobody_reads(north: Hospital, tmp_path: Path) -> None:
    closed = Ehr(north.name, north.iss, north.key, north.jku)
    for token in (north.access_token(), "opaque"):
        sent = {"Authorization": f"Bearer {token}"}
        async with reading(tmp_path, closed) as service:
            assert (await service.get("/assessments", sent, patient="p")).status_code == 401


async def test_another_algorithm_may_be_allowed(tmp_path: Path) -> None:
    key: Key = signing_key("as-1", "RS256")
    with key_server(key) as keys:
        site = hospital("site", keys.address, key)
        token = f"Bearer {site.access_token()}"
        assert await status(site, tmp_path, token) == 401
        assert await status(site, tmp_path, token, algorithms=("RS256",)) == 200


async def test_a_key_set_that_cannot_be_had_lets_nobody_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = signing_key("as-1")
    with key_server(key) as keys:
        keys.status = 503
        site = hospital("site", keys.address, key)
        assert await status(site, tmp_path, f"Bearer {site.access_token()}") == 401
        assert answered(capsys.readouterr().err)["refused"] == "key_set_unavailable"


async def test_a_token_ends_while_the_service_runs(north: Hospital, tmp_path: Path) -> None:
    clock, sent = Clock(), north.bearer()
    async with reading(tmp_path, north, clock=clock) as service:
        for seconds, expected in ((0, 200), (329, 200), (1, 401)):
            clock.move(seconds=seconds)
            answer = await service.get("/assessments", sent, patient="p")
            assert answer.status_code == expected
