"""`readmit purge`: what a record said is gone for good; that it was there, and went, stays."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from sqlalchemy import text

from cds_service.storage import assessments, purging
from cds_service.storage.chain import digest_of
from cds_service.storage.purging import Selection
from cds_service.storage.store import Store
from tests.service.operating import Operator, filled, operator
from tests.service.stored import CONTENTS, add, assessment, comment, moment
from tests.service.tampering import execute, found, links

pytestmark = pytest.mark.sampled(5)

NOW = moment(99_999)


async def purged(store: Store, selection: Selection, tenant: str = "north") -> int:
    """As the command does it: page by page, each with its links."""
    removed, page = 0, -1
    while page:
        async with store.database.writing() as connection:
            page = await purging.purge_some(connection, tenant, selection, now=NOW)
        removed += page
    return removed


async def left(store: Store) -> set[str]:
    async with store.database.reading() as connection:
        return set((await connection.scalars(text("SELECT subject FROM sealed"))).all())


async def test_a_patients_contents_and_comments_go_and_nobody_elses(store: Store) -> None:
    mine = [await add(store, patient_id="p"), await add(store, patient_id="p")]
    other = await add(store, patient_id="q")
    namesake = await add(store, "south", patient_id="p")
    said, others = await comment(store, mine[0]), await comment(store, other)
    assert await purged(store, purging.of_patient("p")) == 3
    assert await left(store) == {each["uuid"] for each in (other, others, namesake)}
    chain = await links(store)
    assert {link.subject for link in chain if link.kind == "purged"} == {
        each["uuid"] for each in (*mine, said)
    }
    assert {link.at for link in chain if link.kind == "purged"} == {NOW}
    assert await found(store) == []


async def test_one_assessment_goes_with_its_comments(store: Store) -> None:
    row, other = await add(store), await add(store)
    await comment(store, row)
    assert await purged(store, purging.of_assessment(row["uuid"])) == 2
    assert await left(store) == {other["uuid"]}


async def test_what_was_stored_before_a_moment_goes(store: Store) -> None:
    old = await add(store, created_at=moment(0))
    new = await add(store, created_at=moment(1))
    assert await purged(store, purging.stored_before(moment(1))) == 1
    assert await left(store) == {new["uuid"]}
    shown = await store.shown(
        "north",
        service_id=old["service_id"],
        fhir_server=None,
        patient_id=old["patient_id"],
        encounter_id=old["encounter_id"],
    )
    assert shown is not None
    assert shown.contents is None


async def test_a_link_stands_for_what_was_removed(store: Store) -> None:
    row = await add(store, created_at=moment(0))
    async with store.database.reading() as connection:
        (sealed,) = (await connection.execute(text("SELECT content FROM sealed"))).all()
    await purged(store, purging.of_assessment(row["uuid"]))
    content = hashlib.sha256(sealed.content).hexdigest()
    whole = {"subject": row["uuid"], "tenant": "north", "created_at": moment(0), "content": content}
    assert (await links(store))[-1].digest == digest_of(whole)


@pytest.mark.slow
async def test_more_than_a_page_is_purged_and_twice_is_nothing(store: Store) -> None:
    async with store.database.writing() as connection:
        for _ in range(450):
            row = assessment()
            sealed = store.vault.seal(row["uuid"], CONTENTS)
            assert await assessments.add(connection, row, sealed, after=None)
    assert await purged(store, purging.stored_before(NOW)) == 450
    assert await purged(store, purging.stored_before(NOW)) == 0
    assert len(await links(store)) == 900
    assert await found(store) == []


async def test_contents_that_come_back_after_a_purge_are_found(store: Store) -> None:
    row = await add(store)
    await execute(store, "CREATE TABLE backup AS SELECT * FROM sealed")
    await purged(store, purging.of_assessment(row["uuid"]))
    await execute(store, "INSERT INTO sealed SELECT * FROM backup")
    (finding,) = await found(store)
    assert finding.number == 2
    assert "are back" in finding.what


async def test_upkeep_after_a_purge_works_beside_a_running_service(store: Store) -> None:
    await add(store)
    async with store.database.reading() as connection:
        await connection.execute(text("SELECT 1"))
        await purging.reclaim(store.database)
    await add(store)
    assert await found(store) == []


@pytest.mark.slow  # SQLite waits five seconds for the reader
async def test_a_log_that_somebody_reads_is_not_called_cut(sqlite_store: Store) -> None:
    await add(sqlite_store)
    async with sqlite_store.database.reading() as connection:
        await connection.execute(text("SELECT * FROM sealed"))
        await purged(sqlite_store, purging.stored_before(NOW))
        assert not await purging.reclaim(sqlite_store.database)
    assert await purging.reclaim(sqlite_store.database)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    asyncio.run(filled(tmp_path, "oncology", "newborn", "hospice"))
    return operator(tmp_path, monkeypatch)


SELECTIONS = {
    "patient": (("--patient", "oncology-patient-1"), 1),
    "nobody": (("--patient", "nobody"), 0),
    "before": (("--before", "2026-11-22"), 3),
    "not before": (("--before", "2026-11-21"), 0),
}


@pytest.mark.parametrize("case", SELECTIONS)
def test_the_command_says_how_much_and_of_whom_nothing(case: str, shell: Operator) -> None:
    options, count = SELECTIONS[case]
    planned = shell.run("purge", "--tenant", "dev", *options, "--dry-run")
    assert f"dev: {count} sealed records would be removed" in planned.output
    assert shell.sql("SELECT count(*) FROM sealed") == [(3,)]
    done = shell.run("purge", "--tenant", "dev", *options)
    assert f"dev: {count} sealed records were removed" in done.output
    assert "oncology" not in planned.output + done.output
    assert shell.sql("SELECT count(*) FROM sealed") == [(3 - count,)]
    assert shell.run("audit", "verify").exit_code == 0


def test_the_retention_is_the_tenants_own(shell: Operator) -> None:
    tenants = shell.folder / "tenants.toml"
    lines = (
        'name = "north"',
        'iss = "https://e.example"',
        'jwks = "keys.json"',
        "retention_days = 1",
    )
    tenants.write_text("[[tenant]]\n" + "\n".join(lines))
    shell.set(tenants=str(tenants))
    old = shell.run("purge", "--tenant", "north", "--older-than-retention", "--dry-run")
    assert "north: 0 sealed records" in old.output
    for table in ("sealed", "assessment"):
        shell.sql(f"UPDATE {table} SET tenant = 'north', created_at = '2020-01-01 00:00:00.000000'")  # noqa: S608
    old = shell.run("purge", "--tenant", "north", "--older-than-retention", "--dry-run")
    assert "north: 3 sealed records" in old.output
    unknown = shell.run("purge", "--tenant", "west", "--older-than-retention")
    assert unknown.exit_code == 2
    assert "west: no tenant of that name" in unknown.output


@pytest.mark.parametrize("options", [(), ("--patient", "p", "--before", "2026-01-01")])
def test_exactly_one_selection_is_given(options: tuple[str, ...], shell: Operator) -> None:
    result = shell.run("purge", "--tenant", "dev", *options)
    assert result.exit_code == 2
    assert "give one of" in result.output


def test_nothing_of_what_was_purged_stays_in_the_files(shell: Operator) -> None:
    """Not even encrypted: neither in the database, nor in its write-ahead log."""
    listed = [bytes(each) for (each,) in shell.sql("SELECT content FROM sealed")]  # type: ignore[arg-type]
    assert all(content[:200] in raw(shell.folder) for content in listed)
    assert shell.run("purge", "--tenant", "dev", "--before", "2026-11-22").exit_code == 0
    assert not any(content[:200] in raw(shell.folder) for content in listed)


def raw(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("test.sqlite*")))
