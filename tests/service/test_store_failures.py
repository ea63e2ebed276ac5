"""A database that takes no rows: 503 and no assessment. And nothing readable in its files."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text

from cds_service.app import create_app
from cds_service.errors import StoreUnavailableError
from cds_service.settings import Settings
from cds_service.storage.store import Store
from tests.service.operating import POINTS
from tests.service.patients import URL, call, condition, database, now, patient, searchset
from tests.service.stored import CONTENTS, KEY, add, assessment, entry, opened
from tests.service.tampering import links

pytestmark = pytest.mark.sampled(3)

PRAGMAS = {"full": "PRAGMA max_page_count=1", "read only": "PRAGMA query_only=1"}


def spoilt(store: Store, pragma: str) -> None:
    """Every connection from here on works on a disk that is full, or may not write."""

    def spoil(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(pragma)
        cursor.close()

    event.listen(store.engine.sync_engine, "connect", spoil)


@pytest.mark.parametrize("case", PRAGMAS)
async def test_no_assessment_leaves_that_could_not_be_stored(case: str, tmp_path: Path) -> None:
    bundles = {"readmission-risk": POINTS}
    app = create_app(Settings(dev=True, database=database(tmp_path), bundles=bundles), clock=now)
    async with app.router.lifespan_context(app):
        store: Store = app.state.service.store
        await store.close()
        spoilt(store, PRAGMAS[case])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            answers = [await http.post(URL, json=call()) for _ in range(40)]
        chain = await links(store, "dev")
    statuses = [each.status_code for each in answers]
    assert statuses[-1] == 503
    assert len(chain) == statuses.count(200)  # what was free within the file was used
    assert answers[-1].json()["resourceType"] == "OperationOutcome"
    assert "cards" not in answers[-1].text


WRITES: dict[str, Callable[[Store], Any]] = {
    "assessment": lambda store: store.add_assessment(assessment(), CONTENTS, after=None),
    "feedback": lambda store: store.add_feedback([entry(assessment())], {}),
    "token": lambda store: store.spend_token("a" * 64, expires_at=now(), now=now()),
}
READS: dict[str, Callable[[Store], Any]] = {
    "shown": lambda store: store.shown(
        "n", service_id="s", fhir_server="f", patient_id="p", encounter_id="e"
    ),
    "cards": lambda store: store.cards_of("n", service_id="s", card_uuids=["c"]),
    "probabilities": lambda store: store.first_probabilities(
        "n", service_id="s", bundle="b", since=now()
    ),
    "heads": lambda store: store.heads(),
}
TABLES = ("assessment", "feedback", "spent_token", "audit_head")


@pytest.mark.parametrize("case", [*WRITES, *READS])
async def test_a_failure_is_said_without_values_and_leaves_nothing_half(
    case: str, store: Store
) -> None:
    async with store.database.writing() as connection:
        for table in TABLES:
            await connection.execute(text(f"ALTER TABLE {table} RENAME TO gone_{table}"))
    with pytest.raises(StoreUnavailableError) as refused:
        await (WRITES | READS)[case](store)
    assert refused.value.__cause__ is None
    assert "stay-" not in str(refused.value)
    async with store.database.reading() as connection:
        assert (await connection.scalar(text("SELECT count(*) FROM sealed"))) == 0


async def test_a_server_that_is_gone_is_a_failure_like_any_other() -> None:
    store = opened("postgresql+asyncpg://postgres@127.0.0.1:1/nowhere")
    with pytest.raises(StoreUnavailableError):
        await add(store)
    await store.close()


@pytest.mark.slow
async def test_a_lock_that_is_held_is_a_failure_and_no_endless_wait(url: str) -> None:
    store, other = opened(url), opened(url)
    await store.migrate()
    await add(store)
    async with other.database.writing() as connection:
        await connection.execute(text("UPDATE audit_head SET number = number"))
        async with asyncio.timeout(60):
            with pytest.raises(StoreUnavailableError):
                await add(store)
    await add(store)
    await store.close()
    await other.close()


CANARIES = ("canary-comment", "canary-issue", "Zwitschervogel", "1912-03-04", "99417")


async def test_no_value_and_no_comment_is_readable_in_the_files(
    url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Of a call and of feedback on its card; ids are, and so we look in the right place."""
    settings = Settings(dev=True, database=url, storage_keys=(KEY,))  # type: ignore[arg-type]
    app = create_app(settings, clock=now)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            ill = condition("99417") | {"code": {"text": "Zwitschervogel", "coding": []}}
            who = patient(birthDate="1912-03-04")
            answer = await http.post(URL, json=call(patient=who, conditions=searchset(ill)))
            assert answer.status_code == 200
        store: Store = app.state.service.store
        row = await add(store, "dev")
        said = entry(row, commented=True)
        await store.add_feedback([said], {said["uuid"]: "canary-comment"})
        contents = CONTENTS | {
            "issues": ["canary-issue"],
            "card": {"detail": "99417 Zwitschervogel"},
        }
        await store.add_assessment(assessment("dev"), contents, after=None)
        if not store.database.is_sqlite:
            async with store.database.outside() as connection:
                await connection.execute(text("CHECKPOINT"))
    files = raw(tmp_path if "sqlite" in url else data_of(request.getfixturevalue("postgres")))
    assert row["patient_id"].encode() in files
    assert [each for each in CANARIES if each.encode() in files] == []


def data_of(server: str) -> Path:
    return Path(server.partition("host=")[2])


def raw(folder: Path) -> bytes:
    return b"".join(each.read_bytes() for each in sorted(folder.rglob("*")) if each.is_file())
