"""A token is good for one call: by every worker, after a restart, and however many come at once."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import Key

from cds_service.trust.clients import digest
from cds_service.trust.tokens import read
from tests.security.clients import (
    DISCOVERY,
    Clock,
    Ehr,
    KeyServer,
    key_server,
    signing_key,
    system_now,
    trusting,
)
from tests.security.logs import answered, lines
from tests.security.served import served
from tests.service.patients import URL, call


@pytest.fixture(scope="module")
def key() -> Key:
    return signing_key()


@pytest.fixture(scope="module")
def server(key: Key) -> Iterator[KeyServer]:
    with key_server(key) as started:
        yield started


@pytest.fixture
def ehr(key: Key, server: KeyServer) -> Ehr:
    return Ehr("north", "https://ehr.example", key, server.address)


async def test_a_token_opens_the_door_once(
    ehr: Ehr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = ehr.authorization()
    async with trusting(tmp_path, ehr) as http:
        first, again = [await http.get(DISCOVERY, headers=sent) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 401)
    assert answered(capsys.readouterr().err)["refused"] == "token_spent"


async def test_the_same_id_in_another_token_is_refused_too(ehr: Ehr, tmp_path: Path) -> None:
    async with trusting(tmp_path, ehr) as http:
        sent = [ehr.authorization(jti="one"), ehr.authorization(jti="one", tenant="x")]
        answers = [(await http.get(DISCOVERY, headers=each)).status_code for each in sent]
    assert answers == [200, 401]


async def test_a_token_that_was_refused_is_not_spent(ehr: Ehr, tmp_path: Path) -> None:
    async with trusting(tmp_path, ehr) as http:
        sent = ehr.authorization()
        elsewhere = await http.post(URL, headers=sent, json=call())
        here = await http.get(DISCOVERY, headers=sent)
    assert (elsewhere.status_code, here.status_code) == (401, 200)


async def test_two_services_on_one_database_are_one_door(ehr: Ehr, tmp_path: Path) -> None:
    sent = ehr.authorization()
    async with trusting(tmp_path, ehr) as one, trusting(tmp_path, ehr) as other:
        answers = [(await each.get(DISCOVERY, headers=sent)).status_code for each in (one, other)]
    assert answers == [200, 401]


async def test_a_restart_forgets_no_token(ehr: Ehr, tmp_path: Path) -> None:
    sent, answers = ehr.authorization(), []
    for _ in range(2):
        async with trusting(tmp_path, ehr) as http:
            answers.append((await http.get(DISCOVERY, headers=sent)).status_code)
    assert answers == [200, 401]


async def test_a_token_is_refused_as_long_as_it_has_not_expired(
    ehr: Ehr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, reasons = Clock(), []
    sent = replace(ehr, now=clock).authorization()
    async with trusting(tmp_path, ehr, clock=clock) as http:
        await http.get(DISCOVERY, headers=sent)
        for _ in range(3):
            clock.move(seconds=44)
            await http.get(DISCOVERY, headers=sent)
            reasons.append(answered(capsys.readouterr().err)["refused"])
    assert reasons == ["token_spent", "token_spent", "token_expired"]


async def test_of_many_at_once_one_is_let_in(ehr: Ehr, tmp_path: Path) -> None:
    sent = ehr.authorization()
    async with trusting(tmp_path, ehr) as http:
        answers = await asyncio.gather(*(http.get(DISCOVERY, headers=sent) for _ in range(20)))
    assert sorted(each.status_code for each in answers) == [200] + [401] * 19


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ab", "c"), ("a", "bc")), (("1:a", "b"), ("1", ":ab")), (("é", "1"), ("é1", ""))],
)
def test_issuer_and_id_do_not_run_into_each_other(
    one: tuple[str, str], other: tuple[str, str], ehr: Ehr
) -> None:
    def spent(iss: str, jti: str) -> str:
        return digest(replace(read(ehr.token(), algorithms=["ES384"]), issuer=iss, id=jti))

    assert spent(*one) != spent(*other)
    assert len(spent(*one)) == 64


async def test_without_its_store_nobody_is_let_in(
    ehr: Ehr, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with trusting(tmp_path, ehr) as http:
        with closing(sqlite3.connect(tmp_path / "test.sqlite")) as database:
            database.execute("DROP TABLE spent_token")
        answer = await http.get(DISCOVERY, headers=ehr.authorization())
    assert answer.status_code == 503
    assert "tenant" not in answered(capsys.readouterr().err)


@pytest.mark.slow
def test_two_processes_and_a_restarted_one_are_one_door(ehr: Ehr, tmp_path: Path) -> None:
    now = replace(ehr, now=system_now)
    sent = [now.authorization() for _ in range(2)]
    with served(tmp_path, ehr) as one, served(tmp_path, ehr) as other:
        assert [httpx.get(one + DISCOVERY, headers=each).status_code for each in sent] == [200] * 2
        assert [httpx.get(other + DISCOVERY, headers=each).status_code for each in sent] == [
            401
        ] * 2
    with served(tmp_path, ehr) as again:
        assert [httpx.get(again + DISCOVERY, headers=each).status_code for each in sent] == [
            401
        ] * 2
    logs = "\n".join(file.read_text() for file in tmp_path.glob("*.log"))
    refused = [line.get("refused") for line in lines(logs) if line.get("status") == 401]
    assert refused == ["token_spent"] * 4


@pytest.mark.slow
async def test_two_workers_of_one_service_let_each_token_in_once(ehr: Ehr, tmp_path: Path) -> None:
    now = replace(ehr, now=system_now)
    with served(tmp_path, ehr, workers=2) as address:
        for _ in range(10):
            assert sorted(await at_once(address, now.authorization())) == [200] + [401] * 7


async def at_once(address: str, sent: dict[str, str]) -> list[int]:
    """The answers to one token sent eight times at once, each over a connection of its own."""

    async def once() -> int:
        async with httpx.AsyncClient(base_url=address) as http:
            return (await http.get(DISCOVERY, headers=sent)).status_code

    return await asyncio.gather(*(once() for _ in range(8)))
