"""id_tokens as authorization servers sign them, and as somebody else would."""

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import ECKey, Key, RSAKey

from cds_service.smart.discovery import SmartConfiguration
from cds_service.smart.id_tokens import UnprovenError, user_of
from tests.security.clients import compact, signing, signing_key
from tests.smart.ehr.state import USER, FakeEhr
from tests.smart.signing_in import Readmit, problem

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ISSUER, CLIENT, NONCE = "https://ehr.example/fhir", "readmit", "the-nonce"
NURSE = f"{ISSUER}/Practitioner/17"
SERVER = SmartConfiguration(
    authorization_endpoint="https://ehr.example/authorize",
    token_endpoint="https://ehr.example/token",
    capabilities=frozenset(),
    scopes=frozenset(),
    issuer=ISSUER,
    key_set="https://ehr.example/jwks",
)
CURVE = signing_key("k", "ES384")


@dataclass
class OneKey:
    """Key sets with one key, whatever is asked for."""

    value: Key

    async def key(self, *_: Any, **__: Any) -> Key:
        return self.value


def claims(**other: Any) -> dict[str, Any]:
    moment = int(NOW.timestamp())
    said = {
        "iss": ISSUER,
        "sub": "17",
        "aud": CLIENT,
        "exp": moment + 300,
        "iat": moment,
        "nonce": NONCE,
        "fhirUser": NURSE,
    }
    return {name: value for name, value in (said | other).items() if value is not None}


def signed(key: Key = CURVE, header: dict[str, Any] | None = None, **other: Any) -> str:
    told = {"alg": key.get("alg"), "kid": "k"} | (header or {})
    return compact(told, claims(**other), signing(key))


async def user(id_token: str, key: Key = CURVE) -> str | None:
    keys: Any = OneKey(key)
    return await user_of(id_token, SERVER, client_id=CLIENT, nonce=NONCE, key_sets=keys, now=NOW)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "ES256", "ES384"])
async def test_each_algorithm_of_smart(algorithm: str) -> None:
    key = signing_key("k", algorithm)
    assert await user(signed(key), key) == NURSE


@pytest.mark.parametrize("algorithm", ["RS512", "PS256", "ES512"])
async def test_no_other_algorithm(algorithm: str) -> None:
    key = signing_key("k", algorithm)
    with pytest.raises(UnprovenError, match="algorithm"):
        await user(signed(key), key)


async def test_a_public_key_is_no_shared_secret() -> None:
    rsa = RSAKey.generate_key(2048)
    pem = rsa.as_pem(private=False)
    token = compact(
        {"alg": "HS256", "kid": "k"}, claims(), lambda text: hmac.digest(pem, text, "sha256")
    )
    with pytest.raises(UnprovenError, match="algorithm"):
        await user(token, rsa)


async def test_a_key_is_good_for_its_own_algorithm() -> None:
    other: Any = {"kid": "k", "alg": "ES384"}
    with pytest.raises(UnprovenError):
        await user(signed(signing_key("k", "ES256")), ECKey.generate_key("P-384", other))


@pytest.mark.parametrize(
    "header",
    [{"x5t": "abc", "typ": "JWT"}, {"typ": "at+jwt"}, {"x5c": ["A" * 2000]}, {"custom": 1}],
)
async def test_headers_that_change_nothing(header: dict[str, Any]) -> None:
    assert await user(signed(header=header)) == NURSE


@pytest.mark.parametrize(
    "header", [{"kid": None}, {"kid": 7}, {"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}]
)
async def test_headers_that_are_refused(header: dict[str, Any]) -> None:
    with pytest.raises(UnprovenError):
        await user(signed(header=header))


@pytest.mark.parametrize(
    "other",
    [
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"aud": [CLIENT]},
        {"exp": NOW.timestamp() - 30},  # clocks differ
        {"iat": None, "sub": None},
    ],
)
async def test_claims_that_hold(other: dict[str, Any]) -> None:
    assert await user(signed(**other)) == NURSE


@pytest.mark.parametrize(
    "other",
    [
        {"iss": None},
        {"iss": ISSUER + "/"},
        {"aud": None},
        {"aud": []},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": {"a": CLIENT}},
        {"exp": None},
        {"exp": "soon"},
        {"exp": NOW.timestamp() - 61},
        {"exp": float("nan")},
        {"exp": True},
        {"nbf": NOW.timestamp() + 3600},
        {"iat": NOW.timestamp() + 3600},
        {"nonce": None},
        {"nonce": ""},
        {"nonce": NONCE + "x"},
        {"nonce": [NONCE]},
    ],
    ids=str,
)
async def test_claims_that_do_not(other: dict[str, Any]) -> None:
    with pytest.raises(UnprovenError):
        await user(signed(**other))


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"fhirUser": "Practitioner/1"}, "Practitioner/1"),
        ({"fhirUser": None, "profile": "Practitioner/2"}, "Practitioner/2"),
        ({"fhirUser": None}, None),
        ({"fhirUser": 7}, None),
        ({"fhirUser": "x" * 256}, None),
        ({"fhirUser": ""}, None),
    ],
)
async def test_who_it_names(other: dict[str, Any], found: str | None) -> None:
    assert await user(signed(**other)) == found


async def test_a_key_that_was_changed_is_fetched_anew(readmit: Readmit, north: FakeEhr) -> None:
    await readmit.session(north)
    del north.__dict__["key"]
    readmit.clock.move(seconds=31)
    told = await (await readmit.session(north)).told()
    assert told["user"] == f"{north.base}/{USER}"
    del north.__dict__["key"]
    assert problem(await readmit.sign_in(north)) == "identity_unproven"  # not fetched each time
