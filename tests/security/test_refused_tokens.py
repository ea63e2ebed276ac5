"""Whom the service refuses: each with the reason in the log, and nothing of it in the answer."""

import base64
import hmac
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import Key

from cds_service.observability import configure_logging
from tests.security.clients import (
    DISCOVERY,
    PUBLIC,
    Ehr,
    KeyServer,
    compact,
    key_server,
    public,
    signing,
    signing_key,
    trusting,
)
from tests.security.logs import answered, leaked
from tests.service.patients import NOW, URL

pytestmark = pytest.mark.sampled(8)

ISSUER = "https://ehr.canary-issuer.example"
TOKEN_ID = "canary-token-id"
MOMENT = int(NOW.timestamp())
GENERIC = {
    "resourceType": "OperationOutcome",
    "issue": [
        {
            "severity": "error",
            "code": "login",
            "diagnostics": "Authorization: this client is not trusted."
            " The log of the service says why.",
        }
    ],
}
Keys = dict[str, Key]


@pytest.fixture(scope="module")
def keys() -> Keys:
    """One of each kind; the first two are the client's own."""
    made = {name: signing_key(name, name) for name in ("ES384", "RS384", "ES256", "ES512")}
    made["own"] = signing_key("ES384", "ES384")
    made["stranger"] = signing_key("ES384", "ES384")
    return made


@pytest.fixture(scope="module")
def published(keys: Keys) -> Iterator[KeyServer]:
    with key_server(*(keys[name] for name in ("ES384", "RS384", "ES256", "ES512"))) as server:
        yield server


@pytest.fixture
def ehr(keys: Keys, published: KeyServer) -> Ehr:
    return Ehr("north", ISSUER, keys["ES384"], published.address)


def hmac_with(secret: bytes, digest: str) -> Callable[[bytes], bytes]:
    return lambda message: hmac.digest(secret, message, digest)


def forged(ehr: Ehr, sign: Callable[[bytes], bytes], **header: Any) -> str:
    """A token with everything right but what is said of the signature."""
    return compact(ehr.header(**header), ehr.claims(jti=TOKEN_ID), sign)


def pem(keys: Keys) -> bytes:
    return keys["RS384"].as_pem(private=False)


def modulus(keys: Keys) -> bytes:
    return base64.urlsafe_b64decode(str(keys["RS384"].as_dict()["n"]) + "==")


Make = Callable[[Ehr, Keys], str]
FORGED: dict[str, tuple[Make, str]] = {
    "no algorithm": (lambda e, _: forged(e, lambda _: b"", alg="none"), "algorithm_not_allowed"),
    "no algorithm, otherwise written": (
        lambda e, _: forged(e, lambda _: b"", alg="nOnE"),
        "algorithm_not_allowed",
    ),
    "alg missing": (lambda e, k: forged(e, signing(k["ES384"]), alg=None), "algorithm_not_allowed"),
    "alg not text": (
        lambda e, k: forged(e, signing(k["ES384"]), alg=["ES384"]),
        "algorithm_not_allowed",
    ),
    "HMAC with the public RSA key as PEM": (
        lambda e, k: forged(e, hmac_with(pem(k), "sha256"), alg="HS256", kid="RS384"),
        "algorithm_not_allowed",
    ),
    "HMAC with the modulus of the public RSA key": (
        lambda e, k: forged(e, hmac_with(modulus(k), "sha256"), alg="HS256", kid="RS384"),
        "algorithm_not_allowed",
    ),
    "HS384": (
        lambda e, k: forged(e, hmac_with(pem(k), "sha384"), alg="HS384", kid="RS384"),
        "algorithm_not_allowed",
    ),
    "ES256, which is not configured": (
        lambda e, k: forged(e, signing(k["ES256"]), alg="ES256", kid="ES256"),
        "algorithm_not_allowed",
    ),
    "RS384 said, HMAC with the public key made": (
        lambda e, k: forged(e, hmac_with(pem(k), "sha384"), alg="RS384", kid="RS384"),
        "signature_invalid",
    ),
    "ES384 said, the key is P-256": (
        lambda e, k: forged(e, signing(k["ES256"]), alg="ES384", kid="ES256"),
        "key_for_other_algorithm",
    ),
    "ES384 said, the key is RSA": (
        lambda e, k: forged(e, signing(k["RS384"]), alg="ES384", kid="RS384"),
        "key_for_other_algorithm",
    ),
    "RS384 said, the key is P-384": (
        lambda e, k: forged(e, signing(k["ES384"]), alg="RS384", kid="ES384"),
        "key_for_other_algorithm",
    ),
    "another's key under our kid": (
        lambda e, k: forged(e, signing(k["stranger"])),
        "signature_invalid",
    ),
    "no signature": (lambda e, _: forged(e, lambda _: b""), "signature_invalid"),
    "a key sent along in the header": (
        lambda e, k: forged(e, signing(k["stranger"]), jwk=k["stranger"].as_dict(private=False)),
        "signature_invalid",
    ),
    "a certificate sent along": (
        lambda e, k: forged(e, signing(k["stranger"]), x5c=["MIIB"]),
        "signature_invalid",
    ),
    "signed with a published key that is named otherwise": (
        lambda e, k: forged(e, signing(k["RS384"], "RS384"), alg="RS384", kid="other"),
        "key_unknown",
    ),
}


def header(**members: Any) -> Make:
    return lambda ehr, _: ehr.token(header=members, jti=TOKEN_ID)


def claims(**members: Any) -> Make:
    return lambda ehr, _: ehr.token(**({"jti": TOKEN_ID} | members))


def parts(told: Any, said: Any) -> Make:
    return lambda ehr, keys: compact(told, said, signing(keys["ES384"]))


HEADERS: dict[str, tuple[Make, str]] = {
    "kid missing": (header(kid=None), "key_id_missing"),
    "kid empty": (header(kid=""), "key_id_missing"),
    "kid a number": (header(kid=1), "key_id_missing"),
    "kid unknown": (header(kid="key-9"), "key_unknown"),
    "typ missing": (header(typ=None), "type_not_jwt"),
    "typ otherwise": (header(typ="at+jwt"), "type_not_jwt"),
    "jku a number": (header(jku=7), "header_malformed"),
    "jku empty": (header(jku=""), "header_malformed"),
    "an extension": (header(crit=["exp"], exp=1), "header_malformed"),
    "an unencoded payload": (header(crit=["b64"], b64=False), "token_malformed"),
    "jku with a query added": (
        lambda e, _: e.token(header={"jku": f"{e.jku}?a"}),
        "key_set_not_allowed",
    ),
    "jku in other letters": (
        lambda e, _: e.token(header={"jku": str(e.jku).replace("http:", "HTTP:")}),
        "key_set_not_allowed",
    ),
    "header is an array": (parts(["alg", "b64"], {}), "token_malformed"),
    "header is text": (parts("alg", {}), "token_malformed"),
    "header is not JSON": (parts(b"{alg}", {}), "token_malformed"),
    "header is nested without end": (parts(b'{"alg":' + b"[" * 4000, {}), "token_malformed"),
    "payload is an array": (lambda e, k: parts(e.header(), [])(e, k), "token_malformed"),
    "payload is not UTF-8": (lambda e, k: parts(e.header(), b'"\xff"')(e, k), "token_malformed"),
    "payload is nested without end": (
        lambda e, k: parts(e.header(), b"[" * 5000)(e, k),
        "token_malformed",
    ),
    "a very long token": (header(more="x" * 9000), "token_malformed"),
}
CLAIMS: dict[str, tuple[Make, str]] = {
    **{
        f"{name} missing": (claims(**{name: None}), "claim_missing")
        for name in ("iss", "aud", "exp", "iat", "jti")
    },
    "iss an array": (claims(iss=[ISSUER]), "claim_malformed"),
    "jti a number": (claims(jti=7), "claim_malformed"),
    "jti empty": (claims(jti=""), "claim_malformed"),
    "aud an object": (claims(aud={"url": PUBLIC}), "claim_malformed"),
    "aud an empty array": (claims(aud=[]), "claim_malformed"),
    "aud an array with a number": (claims(aud=[PUBLIC + DISCOVERY, 7]), "claim_malformed"),
    "exp as text": (claims(exp=str(MOMENT + 60)), "claim_malformed"),
    "exp true": (claims(exp=True), "claim_malformed"),
    "exp not a number": (claims(exp=float("nan")), "claim_malformed"),
    "exp without end": (claims(exp=float("inf")), "claim_malformed"),
    "exp with 400 digits": (claims(exp=10**400), "claim_malformed"),
    "iat negative": (claims(iat=-1), "claim_malformed"),
    "nbf as text": (claims(nbf="now"), "claim_malformed"),
    "expired": (claims(iat=MOMENT - 120, exp=MOMENT - 31), "token_expired"),
    "expires as the skew ends": (claims(iat=MOMENT - 120, exp=MOMENT - 30), "token_expired"),
    "not yet valid": (claims(nbf=MOMENT + 31), "token_not_yet_valid"),
    "issued in the future": (claims(iat=MOMENT + 31, exp=MOMENT + 60), "issued_in_future"),
    "valid too long": (claims(exp=MOMENT + 301), "lifetime_too_long"),
    "valid for years": (claims(exp=MOMENT + 10**8), "lifetime_too_long"),
    "iss unknown": (claims(iss="https://other.example"), "issuer_unknown"),
    "iss with a final slash": (claims(iss=ISSUER + "/"), "issuer_unknown"),
}
AUDIENCES = {
    "another endpoint": (PUBLIC + URL, "path"),
    "the base URL": (PUBLIC, "path"),
    "the base URL and a slash": (PUBLIC + "/", "path"),
    "a final slash": (PUBLIC + DISCOVERY + "/", "final_slash"),
    "http": (PUBLIC.replace("https", "http") + DISCOVERY, "scheme"),
    "another host": ("https://other.example" + DISCOVERY, "host"),
    "the host behind the proxy": ("https://127.0.0.1:8000" + DISCOVERY, "host"),
    "the port said": (PUBLIC + ":443" + DISCOVERY, "host"),
    "a path alone": (DISCOVERY, "not_an_address"),
    "no address": ("http://[", "not_an_address"),
    "an array of others": ([PUBLIC, PUBLIC + URL], "path"),
    "in capitals": (PUBLIC + "/CDS-services", "path"),
    "a query": (PUBLIC + DISCOVERY + "?a=b", "path"),
}
TOKENS = FORGED | HEADERS | CLAIMS


@pytest.mark.parametrize("case", TOKENS)
async def test_a_token_that_is_not_right_is_refused(
    case: str,
    ehr: Ehr,
    keys: Keys,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    make, reason = TOKENS[case]
    line = await refused(make(ehr, keys), ehr, tmp_path, capsys, caplog)
    assert line["refused"] == reason
    assert line.get("claim") == (case.split()[0] if reason.startswith("claim_") else None)
    assert "tenant" not in line


@pytest.mark.parametrize("case", AUDIENCES)
async def test_a_token_for_another_address_is_refused_and_the_log_says_in_what_it_differs(
    case: str,
    ehr: Ehr,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    audience, differs = AUDIENCES[case]
    token = ehr.token(aud=audience, jti=TOKEN_ID)
    line = await refused(token, ehr, tmp_path, capsys, caplog)
    assert (line["refused"], line["differs"]) == ("audience_mismatch", differs)
    assert line["claims_to_be"] == "north"


async def refused(
    token: str,
    ehr: Ehr,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> dict[str, Any]:
    """The log line of discovery with this token, which was answered as every refusal is."""
    caplog.set_level(logging.DEBUG)
    async with trusting(folder, ehr) as http:
        configure_logging("debug")
        answer = await http.get(DISCOVERY, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (401, GENERIC)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/fhir+json"
    written = "".join(capsys.readouterr())
    parts = [part for part in token.split(".") if len(part) > 6]  # shorter ones stand in any id
    secrets = [TOKEN_ID, ISSUER, str(ehr.jku), *parts]
    assert leaked(secrets, written, caplog) == []
    return answered(written)


REQUESTS: dict[str, tuple[Callable[[str], list[tuple[str, str]]], str]] = {
    "no header": (lambda _: [], "token_missing"),
    "an empty header": (lambda _: [("Authorization", "")], "authorization_not_bearer"),
    "Basic": (lambda _: [("Authorization", "Basic dXNlcjp3b3Jk")], "authorization_not_bearer"),
    "Basic with the token": (
        lambda t: [("Authorization", f"Basic {t}")],
        "authorization_not_bearer",
    ),
    "the token alone": (lambda t: [("Authorization", t)], "authorization_not_bearer"),
    "words after the token": (
        lambda t: [("Authorization", f"Bearer {t} x")],
        "authorization_not_bearer",
    ),
    "two tokens in one": (
        lambda t: [("Authorization", f"Bearer {t}, Bearer {t}")],
        "authorization_not_bearer",
    ),
    "four parts": (lambda t: [("Authorization", f"Bearer {t}.x")], "authorization_not_bearer"),
    "two parts": (
        lambda t: [("Authorization", f"Bearer {t.rpartition('.')[0]}")],
        "authorization_not_bearer",
    ),
    "a letter outside ASCII": (
        lambda t: [("Authorization", f"Bearer {t}é")],
        "authorization_not_bearer",
    ),
    "the header twice": (
        lambda t: [("Authorization", f"Bearer {t}")] * 2,
        "authorization_repeated",
    ),
    "the header twice, Basic first": (
        lambda t: [("Authorization", "Basic dXNlcg=="), ("Authorization", f"Bearer {t}")],
        "authorization_repeated",
    ),
    "another header": (lambda t: [("Proxy-Authorization", f"Bearer {t}")], "token_missing"),
}


@pytest.mark.parametrize("case", REQUESTS)
async def test_a_good_token_sent_otherwise_is_refused(
    case: str, ehr: Ehr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, reason = REQUESTS[case]
    sent = [(name.encode(), value.encode()) for name, value in make(ehr.token())]
    async with trusting(tmp_path, ehr) as http:
        answer = await http.get(DISCOVERY, headers=sent)
    assert (answer.status_code, answer.json()) == (401, GENERIC)
    assert answered(capsys.readouterr().err)["refused"] == reason


@pytest.mark.parametrize("name", ["access_token", "token", "Authorization"])
async def test_a_token_in_the_address_is_not_looked_at(
    name: str, ehr: Ehr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = ehr.token()
    async with trusting(tmp_path, ehr) as http:
        answer = await http.get(DISCOVERY, params={name: token})
    assert answer.status_code == 401
    written = capsys.readouterr().err
    assert answered(written)["refused"] == "token_missing"
    assert token not in written


GOOD: dict[str, Make] = {
    "as the specification has it": claims(),
    "signed with RSA": lambda e, k: compact(
        e.header(alg="RS384", kid="RS384"), e.claims(), signing(k["RS384"])
    ),
    "aud an array with others": claims(aud=["https://other.example", PUBLIC + DISCOVERY]),
    "times with fractions": claims(iat=MOMENT + 0.5, exp=MOMENT + 60.5),
    "just not expired": claims(iat=MOMENT - 120, exp=MOMENT - 29),
    "issued by a clock that is ahead": claims(iat=MOMENT + 30),
    "as long as is allowed": claims(exp=MOMENT + 300),
    "other claims and members": lambda e, _: e.token(
        header={"x": 1}, tenant="t", sub={"a": [None]}
    ),
    "without jku": header(jku=None),
    "an id that is no Unicode": claims(jti="\ud800"),
}


@pytest.mark.parametrize("case", GOOD)
async def test_a_token_that_is_right_is_accepted(
    case: str, ehr: Ehr, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token = GOOD[case](ehr, keys)
    async with trusting(tmp_path, ehr) as http:
        answer = await http.get(DISCOVERY, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answered(capsys.readouterr().err)["tenant"] == "north"


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer   "])
async def test_the_scheme_may_be_written_in_any_letters(
    scheme: str, ehr: Ehr, tmp_path: Path
) -> None:
    async with trusting(tmp_path, ehr) as http:
        sent = {"Authorization": f"{scheme} {ehr.token()}"}
        assert (await http.get(DISCOVERY, headers=sent)).status_code == 200


async def test_a_key_set_that_is_not_listed_is_never_fetched(
    ehr: Ehr, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = keys["stranger"]
    with key_server(stranger) as own:
        token = compact(ehr.header(jku=own.address), ehr.claims(), signing(stranger))
        async with trusting(tmp_path, ehr) as http:
            answer = await http.get(DISCOVERY, headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()) == (401, GENERIC)
    assert answered(capsys.readouterr().err)["refused"] == "key_set_not_allowed"
    assert own.asked == []


async def test_a_token_that_fails_otherwise_fetches_no_keys(
    ehr: Ehr, published: KeyServer, tmp_path: Path
) -> None:
    published.asked.clear()
    async with trusting(tmp_path, ehr) as http:
        for wrong in ({"exp": MOMENT - 90}, {"aud": PUBLIC}, {"iat": None}):
            token = ehr.token(**wrong)
            answer = await http.get(DISCOVERY, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401
    assert published.asked == []


@pytest.mark.parametrize(
    ("use", "reason"),
    [({"use": "enc"}, "key_unfit"), ({"alg": "ES512"}, "key_for_other_algorithm")],
)
async def test_a_published_key_that_disagrees_is_not_used(
    use: dict[str, str], reason: str, ehr: Ehr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = json.loads(public(ehr.key))
    told["keys"][0] |= use
    with key_server() as server:
        server.body = json.dumps(told).encode()
        elsewhere = Ehr("north", ISSUER, ehr.key, server.address)
        async with trusting(tmp_path, elsewhere) as http:
            answer = await http.get(DISCOVERY, headers=elsewhere.authorization())
    assert answer.status_code == 401
    assert answered(capsys.readouterr().err)["refused"] == reason
