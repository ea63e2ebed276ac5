"""Key sets of clients: rotated, removed, out of reach, or not key sets at all. Real sockets."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import Key, OctKey, RSAKey

from cds_service.trust import key_sets
from cds_service.trust.key_sets import lifetime
from tests.security.clients import (
    DISCOVERY,
    Clock,
    Ehr,
    KeyServer,
    key_server,
    public,
    signing_key,
    trusting,
)
from tests.security.logs import answered

pytestmark = pytest.mark.sampled(8)

ISSUER = "https://ehr.example"


@pytest.fixture(scope="module")
def first() -> Key:
    return signing_key("first")


@pytest.fixture(scope="module")
def second() -> Key:
    return signing_key("second")


@pytest.fixture
def server(first: Key) -> Iterator[KeyServer]:
    with key_server(first) as started:
        yield started


class Service:
    """A service that trusts one client, its clock, and what its log says."""

    def __init__(
        self, http: httpx.AsyncClient, ehr: Ehr, clock: Clock, read: pytest.CaptureFixture[str]
    ) -> None:
        self.http, self.ehr, self.clock, self._read = http, ehr, clock, read

    async def says(self, key: Key | None = None) -> str:
        """`trusted`, or why not."""
        ehr = replace(self.ehr, key=key or self.ehr.key)
        answer = await self.http.get(DISCOVERY, headers=ehr.authorization())
        line = answered(self._read.readouterr().err)
        assert answer.status_code == line["status"]
        if answer.status_code == 200:
            return "trusted"
        return " ".join(filter(None, (line["refused"], line.get("key_set"))))


@asynccontextmanager
async def service_for(
    server: KeyServer, key: Key, folder: Path, read: pytest.CaptureFixture[str]
) -> AsyncIterator[Service]:
    clock = Clock()
    ehr = Ehr("north", ISSUER, key, server.address, now=clock)
    async with trusting(folder, ehr, clock=clock) as http:
        yield Service(http, ehr, clock, read)


@pytest.fixture
async def service(
    server: KeyServer, first: Key, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Service]:
    async with service_for(server, first, tmp_path, capsys) as started:
        yield started


async def test_keys_are_fetched_once_and_kept(service: Service, server: KeyServer) -> None:
    assert [await service.says() for _ in range(3)] == ["trusted"] * 3
    assert server.asked == ["/jwks"]


async def test_a_new_key_is_accepted_after_one_fetch(
    service: Service, server: KeyServer, second: Key
) -> None:
    await service.says()
    server.body = public(service.ehr.key, second)
    service.clock.move(seconds=30)
    assert await service.says(second) == "trusted"
    assert await service.says() == "trusted"
    assert len(server.asked) == 2


async def test_a_removed_key_is_refused_once_the_set_is_fetched_anew(
    service: Service, server: KeyServer, first: Key, second: Key
) -> None:
    await service.says()
    server.body = public(second)
    service.clock.move(seconds=30)
    assert await service.says(first) == "trusted"  # still kept
    assert await service.says(second) == "trusted"  # fetched anew
    assert await service.says(first) == "key_unknown"


async def test_a_removed_key_is_refused_once_the_set_expires(
    service: Service, server: KeyServer, second: Key
) -> None:
    await service.says()
    server.body = public(second)
    service.clock.move(minutes=10)
    assert await service.says() == "key_unknown"


async def test_an_unknown_key_is_looked_for_at_most_every_thirty_seconds(
    service: Service, server: KeyServer
) -> None:
    strangers = [signing_key(f"stranger-{number}") for number in range(3)]
    await service.says()
    for stranger in strangers:
        assert await service.says(stranger) == "key_unknown"
    assert len(server.asked) == 1
    service.clock.move(seconds=30)
    for stranger in strangers:
        assert await service.says(stranger) == "key_unknown"
    assert len(server.asked) == 2


async def test_calls_at_once_share_one_fetch(service: Service, server: KeyServer) -> None:
    async def call() -> int:
        answer = await service.http.get(DISCOVERY, headers=service.ehr.authorization())
        return answer.status_code

    assert await asyncio.gather(*(call() for _ in range(20))) == [200] * 20
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("caching", "kept"),
    [
        ("", timedelta(minutes=10)),
        ("public", timedelta(minutes=10)),
        ("max-age=0", timedelta(minutes=1)),
        ("max-age=59", timedelta(minutes=1)),
        ("public, Max-Age = 3600, must-revalidate", timedelta(hours=1)),
        ('max-age="120"', timedelta(minutes=2)),
        ("max-age=999999999999999999999", timedelta(hours=24)),
        ("max-age=-5", timedelta(minutes=10)),
        ("no-store", timedelta(minutes=1)),
        ("no-cache, max-age=3600", timedelta(minutes=1)),
        ("s-maxage=3600", timedelta(minutes=10)),
    ],
)
def test_how_long_a_set_is_kept(caching: str, kept: timedelta) -> None:
    assert lifetime(caching) == kept


async def test_a_set_is_kept_as_long_as_its_server_says(
    service: Service, server: KeyServer
) -> None:
    server.headers = {"Cache-Control": "max-age=3600"}
    await service.says()
    service.clock.move(seconds=3599)
    assert await service.says() == "trusted"
    assert len(server.asked) == 1
    service.clock.move(seconds=1)
    assert await service.says() == "trusted"
    assert len(server.asked) == 2


Fault = Callable[[KeyServer], Any]
FAULTS: dict[str, tuple[Fault, str]] = {
    "never answers": (lambda s: setattr(s, "answers", False), "timeout"),
    "500": (lambda s: setattr(s, "status", 500), "status"),
    "404": (lambda s: setattr(s, "status", 404), "status"),
    "a redirect": (
        lambda s: (setattr(s, "status", 302), s.headers.update(Location="/elsewhere")),
        "status",
    ),
    "HTML": (lambda s: setattr(s, "body", b"<html>signed out</html>"), "not_a_key_set"),
    "nothing": (lambda s: setattr(s, "body", b""), "not_a_key_set"),
    "an array": (lambda s: setattr(s, "body", b"[]"), "not_a_key_set"),
    "no keys in it": (lambda s: setattr(s, "body", b"{}"), "not_a_key_set"),
    "keys an object": (lambda s: setattr(s, "body", b'{"keys": {}}'), "not_a_key_set"),
    "nested without end": (lambda s: setattr(s, "body", b"[" * 100_000), "not_a_key_set"),
    "not UTF-8": (lambda s: setattr(s, "body", b'{"keys": ["\xff"]}'), "not_a_key_set"),
    "compressed": (
        lambda s: s.headers.update({"Content-Encoding": "gzip"}) or setattr(s, "body", b"\x1f\x8b"),
        "not_a_key_set",
    ),
    "too large": (lambda s: setattr(s, "body", s.body + b" " * 256 * 1024), "too_large"),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "TIMEOUT_S", 1.0)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
async def test_without_keys_nobody_is_trusted_until_they_can_be_had(
    fault: str, service: Service, server: KeyServer
) -> None:
    body, (spoil, why) = server.body, FAULTS[fault]
    spoil(server)
    assert await service.says() == f"key_set_unavailable {why}"
    assert "/elsewhere" not in server.asked
    server.answers, server.status, server.headers, server.body = True, 200, {}, body
    assert await service.says() == f"key_set_unavailable {why}"  # not tried again at once
    service.clock.move(seconds=5)
    assert await service.says() == "trusted"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", FAULTS)
async def test_fresh_keys_outlast_a_fault(
    fault: str, service: Service, server: KeyServer, second: Key
) -> None:
    assert await service.says() == "trusted"
    spoil, why = FAULTS[fault]
    spoil(server)
    service.clock.move(minutes=9)
    assert await service.says(second) == f"key_set_unavailable {why}"
    assert await service.says() == "trusted"
    service.clock.move(minutes=1)
    assert await service.says() == f"key_set_unavailable {why}"


async def test_a_fault_while_the_clock_was_ahead_is_over_when_it_is_put_back(
    service: Service, server: KeyServer
) -> None:
    service.clock.move(hours=5)
    server.status = 500
    assert await service.says() == "key_set_unavailable status"
    server.status = 200
    service.clock.move(hours=-5)
    assert await service.says() == "trusted"


async def test_a_clock_that_is_put_back_keeps_no_removed_key(
    service: Service, server: KeyServer, second: Key
) -> None:
    assert await service.says() == "trusted"
    server.body = public(second)
    service.clock.move(hours=-5)
    assert await service.says() == "key_unknown"


async def test_a_server_that_is_not_there_is_said_to_be_unreachable(
    first: Key, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = KeyServer(f"http://127.0.0.1:{closed.getsockname()[1]}/jwks")
        async with service_for(nobody, first, tmp_path, capsys) as service:
            assert await service.says() == "key_set_unavailable unreachable"


def members(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": list(keys)}).encode()


def told(key: Key, **other: Any) -> dict[str, Any]:
    return dict(key.as_dict(private=False)) | other


WEAK = {"kty": "RSA", "kid": "first", "e": "AQAB", "n": "w" * 171}
Publish = Callable[[Key], bytes]
UNFIT: dict[str, Publish] = {
    "symmetric": lambda k: members(
        dict(OctKey.generate_key(256, {"kid": "first"}).as_dict(private=True))
    ),
    "private": lambda k: members(dict(k.as_dict(private=True))),
    "a private RSA key": lambda k: members(
        dict(RSAKey.generate_key(2048, {"kid": "first"}).as_dict(private=True))
    ),
    "for encryption": lambda k: members(told(k, use="enc")),
    "for signing, not for verifying": lambda k: members(told(k, key_ops=["encrypt"])),
    "a short RSA key": lambda k: members(WEAK),
    "off its curve": lambda k: members(told(k, x=k.as_dict()["y"])),
    "of an unknown curve": lambda k: members(told(k, crv="P-000")),
    "of an unknown kind": lambda k: members(told(k, kty="AKP")),
    "kind is an array": lambda k: members(told(k, kty=["EC"])),
    "without its coordinates": lambda k: members({"kty": "EC", "kid": "first", "crv": "P-384"}),
    "coordinates of another type": lambda k: members(told(k, x=[1])),
    "twice under one name": lambda k: members(told(k), told(signing_key("first"))),
    "published twice": lambda k: members(told(k), told(k)),
}


@pytest.mark.parametrize("case", UNFIT)
async def test_a_key_that_cannot_be_trusted_is_not_used(
    case: str, service: Service, server: KeyServer, first: Key
) -> None:
    server.body = UNFIT[case](first)
    assert await service.says() == "key_unfit"


BESIDE: dict[str, Any] = {
    "an empty object": {},
    "text": "text",
    "a number": 7,
    "null": None,
    "a key without a name": {"kty": "EC"},
    "a key whose name is a number": {"kty": "EC", "kid": 7},
    "a symmetric key": dict(OctKey.generate_key(256, {"kid": "shared"}).as_dict(private=True)),
    "a key of a later kind": {"kty": "AKP", "kid": "later", "alg": "ML-DSA-44"},
    "a key for encryption under the same name": told(
        RSAKey.generate_key(2048), kid="first", use="enc"
    ),
}


@pytest.mark.parametrize("case", BESIDE)
async def test_what_stands_beside_a_good_key_does_it_no_harm(
    case: str, service: Service, server: KeyServer, first: Key
) -> None:
    server.body = members(BESIDE[case], told(first), BESIDE[case])
    assert await service.says() == "trusted"


async def test_an_empty_key_set_withdraws_all_keys(service: Service, server: KeyServer) -> None:
    server.body = members()
    assert await service.says() == "key_unknown"
