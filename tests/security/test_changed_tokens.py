"""No change to a valid token is accepted, whichever byte it is; and no garbage is more than refused."""

import string
from datetime import UTC, datetime
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.errors import ClientNotTrustedError
from cds_service.tenants import Tenant
from cds_service.trust.clients import issued_for
from cds_service.trust.public_keys import read_key_set
from cds_service.trust.tokens import Rules, bearer, check, read, verify
from tests.security.clients import DISCOVERY, PUBLIC, Ehr, public, signing_key

RULES = Rules(("ES384", "RS384"), 300, 30)
JKU = "https://ehr.example/jwks"
TENANT = Tenant(name="north", iss="https://ehr.example", jku=JKU)
ALPHABET = string.ascii_letters + string.digits + "-_.=+/ ~"


@cache
def client(algorithm: str) -> Ehr:
    return Ehr("north", TENANT.iss, signing_key("key-1", algorithm), JKU)


@cache
def token(algorithm: str) -> str:
    return client(algorithm).token(jti="one")


def authenticate(authorization: str, algorithm: str) -> None:
    """All of the check but the fetching of keys and the spending of the token."""
    ehr = client(algorithm)
    presented = read(bearer([authorization]), algorithms=RULES.algorithms)
    issued_for(presented, [TENANT])
    check(presented, endpoint=PUBLIC + DISCOVERY, now=ehr.now(), rules=RULES)
    verify(presented, read_key_set(public(ehr.key)).key(presented.key_id))


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_the_token_that_is_changed_below_is_valid(algorithm: str) -> None:
    authenticate(f"Bearer {token(algorithm)}", algorithm)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
@given(where=st.integers(0, 10_000), other=st.sampled_from(ALPHABET))
def test_a_changed_byte_is_refused(algorithm: str, where: int, other: str) -> None:
    good = token(algorithm)
    at = where % len(good)
    changed = good[:at] + other + good[at + 1 :]
    if changed != good:
        refused(changed, algorithm)


@pytest.mark.parametrize("algorithm", ["ES384", "RS384"])
def test_each_last_byte_of_a_part_matters(algorithm: str) -> None:
    good = token(algorithm)
    ends = [at for at, letter in enumerate(good + ".") if letter == "."]
    for end in ends:
        for other in set(ALPHABET) - {good[end - 1]}:
            refused(good[: end - 1] + other + good[end:], algorithm)


@given(st.data())
def test_a_token_cut_or_stretched_is_refused(data: st.DataObject) -> None:
    good = token("ES384")
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, len(good)))
    between = data.draw(st.text(ALPHABET, max_size=4))
    changed = good[:start] + between + good[end:]
    if changed != good:
        refused(changed, "ES384")


def refused(changed: str, algorithm: str) -> None:
    with pytest.raises(ClientNotTrustedError):
        authenticate(f"Bearer {changed}", algorithm)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
NAMES = ("alg", "kid", "typ", "jku", "crit", "b64", "iss", "aud", "exp", "iat", "nbf", "jti")


@given(st.dictionaries(st.sampled_from(NAMES), json_values), st.booleans())
def test_odd_members_are_refused_or_harmless_and_never_an_error(
    members: dict[str, object], in_header: bool
) -> None:
    ehr = client("ES384")
    made = ehr.token(header=members) if in_header else ehr.token(**members)
    try:
        authenticate(f"Bearer {made}", "ES384")
    except ClientNotTrustedError:
        return
    assert {"alg", "kid", "typ", "jku", "iss", "aud", "exp"}.isdisjoint(
        name
        for name, value in members.items()
        if value is not None and in_header == (name in NAMES[:6])
    )


@given(st.binary(max_size=200))
def test_bytes_that_are_no_key_set_are_said_not_to_be(content: bytes) -> None:
    try:
        keys = read_key_set(content)
    except ValueError:
        return
    assert not keys.fit


def test_a_token_is_not_shown_by_what_was_read_of_it() -> None:
    presented = read(token("ES384"), algorithms=RULES.algorithms)
    assert token("ES384") not in repr(presented)
    assert datetime.fromtimestamp(presented.expires, UTC) > client("ES384").now()
