"""The audit chain: whatever is changed behind the service's back is found, and where. On both databases."""

import hashlib
import math
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from cds_service.storage.chain import START, Head, Link, digest_of
from cds_service.storage.columns import Moment, Real
from cds_service.storage.store import Store
from cds_service.storage.tables import ASSESSMENT, AUDIT, AUDIT_HEAD, FEEDBACK
from tests.service.stored import CONTENTS, add, assessment, comment, entry, moment, new_uuid
from tests.service.tampering import against, execute, forge, found, links

pytestmark = pytest.mark.sampled(8)

_OTHER_TEXT, _OTHER_NUMBER = "tampered", 77
Tampering = Callable[[Store, list[dict[str, Any]]], Awaitable[object]]


async def history(store: Store) -> list[dict[str, Any]]:
    """Links 1 to 6 of north: five assessments, and at 3 feedback on the first. One link of south."""
    rows = [await add(store), await add(store)]
    rows.append(await comment(store, rows[0]))
    rows += [await add(store) for _ in range(3)]
    await add(store, "south")
    return rows


def statement(sql: str, of: int) -> Tampering:
    """SQL with :uuid for the subject of a link of north."""

    async def tamper(store: Store, rows: list[dict[str, Any]]) -> None:
        assert await execute(store, sql, uuid=rows[of - 1]["uuid"]) > 0

    return tamper


async def swap_numbers(store: Store, _: object) -> None:
    for before, after in ((2, -1), (4, 2), (-1, 4)):
        await execute(store, f"UPDATE audit SET number = {after} WHERE number = {before}")  # noqa: S608


async def insert_link(store: Store, _: object) -> None:
    last = (await links(store))[-1]
    forged = Link("north", 7, last.at, "assessed", new_uuid(), "e" * 64, last.hash)
    await execute(
        store,
        "INSERT INTO audit SELECT tenant, 7, at, kind, :subject, :digest, :previous, :hash"
        " FROM audit WHERE tenant = 'north' AND number = 6",
        subject=forged.subject, digest=forged.digest, previous=forged.previous, hash=forged.hash,
    )  # fmt: skip


async def remove_link_and_number_anew(store: Store, _: object) -> None:
    await execute(store, "DELETE FROM audit WHERE tenant = 'north' AND number = 3")
    for number in (4, 5, 6):
        await execute(
            store,
            f"UPDATE audit SET number = {number - 1} WHERE tenant = 'north' AND number = {number}",  # noqa: S608
        )


async def copy_of_an_assessment(store: Store, rows: list[dict[str, Any]]) -> None:
    names = [c.name for c in ASSESSMENT.c if c.name not in {"id", "uuid"}]
    columns = ", ".join(names)
    await execute(
        store,
        f"INSERT INTO assessment (uuid, {columns})"  # noqa: S608
        f" SELECT :new, {columns} FROM assessment WHERE uuid = :uuid",
        new=new_uuid(), uuid=rows[0]["uuid"],
    )  # fmt: skip


TAMPERINGS: dict[str, tuple[Tampering, list[tuple[int | None, str]]]] = {
    "probability": (
        statement("UPDATE assessment SET probability = 0.01 WHERE uuid = :uuid", 2),
        [(2, "was changed")],
    ),
    "a value to NULL": (
        statement("UPDATE assessment SET reason = 'x' WHERE uuid = :uuid", 2),
        [(2, "was changed")],
    ),
    "moved to another tenant": (
        statement("UPDATE assessment SET tenant = 'south' WHERE uuid = :uuid", 2),
        [(2, "was changed"), (None, "no link")],
    ),
    "moved out of all tenants": (
        statement("UPDATE assessment SET tenant = NULL WHERE uuid = :uuid", 2),
        [(2, "was changed")],
    ),
    "id of an assessment": (
        statement("UPDATE assessment SET uuid = 'other' WHERE uuid = :uuid", 2),
        [(2, "is gone"), (None, "no link")],
    ),
    "assessment deleted": (
        statement("DELETE FROM assessment WHERE uuid = :uuid", 4),
        [(4, "is gone")],
    ),
    "feedback changed": (
        statement("UPDATE feedback SET outcome = 'accepted' WHERE uuid = :uuid", 3),
        [(3, "was changed")],
    ),
    "feedback deleted": (statement("DELETE FROM feedback WHERE uuid = :uuid", 3), [(3, "is gone")]),
    "contents deleted": (
        statement("DELETE FROM sealed WHERE subject = :uuid", 5),
        [(5, "no link says that they were purged")],
    ),
    "comment deleted": (
        statement("DELETE FROM sealed WHERE subject = :uuid", 3),
        [(3, "no link says that they were purged")],
    ),
    "contents changed": (
        statement("UPDATE sealed SET content = wrapped_key WHERE subject = :uuid", 5),
        [(5, "contents of assessment")],
    ),
    "contents of another": (
        statement("UPDATE sealed SET content = other.content FROM sealed AS other"
                  " WHERE sealed.subject = :uuid AND other.subject = (SELECT min(subject)"
                  " FROM sealed AS any_ WHERE any_.subject <> :uuid)", 2),
        [(2, "were changed")],
    ),
    "comment changed": (
        statement("UPDATE sealed SET content = wrapped_key WHERE subject = :uuid", 3),
        [(3, "contents of feedback entry")],
    ),
    "retention put off": (
        statement("UPDATE sealed SET created_at = '2099-01-01 00:00:00.000000' WHERE subject = :uuid", 2),
        [(2, "retention would miss")],
    ),
    "contents of nobody": (
        statement(
            "INSERT INTO sealed SELECT 'nobody', tenant, created_at, wrapped_key, content"
            " FROM sealed WHERE subject = :uuid",
            1,
        ),
        [(None, "sealed record nobody has no link")],
    ),
    "assessment put in": (copy_of_an_assessment, [(None, "has no link")]),
    "digest of a link": (
        statement("UPDATE audit SET digest = hash WHERE subject = :uuid", 2),
        [(2, "link was changed"), (2, "was changed")],
    ),
    "hash of a link": (
        statement("UPDATE audit SET hash = digest WHERE subject = :uuid", 2),
        [(2, "link was changed"), (3, "does not continue")],
    ),
    "kind of a link": (
        statement("UPDATE audit SET kind = 'other' WHERE subject = :uuid", 2),
        [(2, "link was changed"), (2, "kind"), (None, "no link"), (None, "no link")],
    ),
    "time of a link": (
        statement("UPDATE audit SET at = created_at FROM assessment"
                  " WHERE subject = :uuid AND hook_instance IS NOT NULL"
                  " AND assessment.uuid <> subject", 2),
        [(2, "link was changed")],
    ),
    "link deleted in the middle": (
        statement("DELETE FROM audit WHERE subject = :uuid", 4),
        [(5, "follows number 3"), (None, "no link"), (None, "no link")],
    ),
    "first link deleted": (
        statement("DELETE FROM audit WHERE subject = :uuid", 1),
        [(2, "follows number 0"), (None, "no link"), (None, "no link")],
    ),
    "last link deleted": (
        statement("DELETE FROM audit WHERE subject = :uuid", 6),
        [(None, "cut off"), (None, "no link"), (None, "no link")],
    ),
    "order changed": (swap_numbers, [(2, "changed"), (2, "continue"), (3, "continue"), (4, "changed"), (4, "continue"), (5, "continue")]),
    "removed and numbered anew": (
        remove_link_and_number_anew,
        [(3, "changed"), (3, "continue"), (4, "changed"), (5, "changed"), (None, "cut off"),
         (None, "no link"), (None, "no link")],
    ),
    "link put in": (insert_link, [(7, "is gone"), (None, "not the last link")]),
    "head moved back": (
        statement("UPDATE audit_head SET number = 5, hash = previous FROM audit"
                  " WHERE audit_head.tenant = 'north' AND subject = :uuid", 6),
        [(None, "not the last link")],
    ),
    "head deleted": (
        statement("DELETE FROM audit_head WHERE tenant = 'north' AND :uuid <> ''", 1),
        [(None, "not the last link")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TAMPERINGS)
async def test_a_tampering_is_found_where_it_is(case: str, store: Store) -> None:
    tamper, expected = TAMPERINGS[case]
    rows = await history(store)
    assert await found(store) == []
    await tamper(store, rows)
    seen = [(each.number, each.what) for each in await found(store)]
    assert [number for number, _ in seen] == [number for number, _ in expected]
    for (_, what), (_, words) in zip(seen, expected, strict=True):
        assert words in what


COLUMNS = [(table, column) for table in (ASSESSMENT, FEEDBACK, AUDIT) for column in table.c]


@pytest.mark.parametrize(
    ("table", "column"), COLUMNS, ids=[f"{t.name}.{c.name}" for t, c in COLUMNS]
)
async def test_an_edit_of_any_column_is_found(table: Any, column: Any, store: Store) -> None:
    """To a value of its type, and where it may be NULL to that too."""
    rows = await history(store)
    subject = rows[2 if table is FEEDBACK else 1]["uuid"]
    key = table.c.subject if table is AUDIT else table.c.uuid
    async with store.database.writing() as connection:
        await connection.execute(
            table.update().where(key == subject).values({column: another(column)})
        )
    assert await found(store)


def another(column: Any) -> object:
    """A value that no row of the history has there."""
    if isinstance(column.type, Moment):
        return moment(-5)
    if column.name == "commented":
        return False
    if isinstance(column.type, Real):
        return 0.777
    others = {str: _OTHER_TEXT, int: _OTHER_NUMBER, bool: None}
    return others[column.type.python_type]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("assessment", "created_at", "yesterday"),
        ("assessment", "created_at", 7),
        ("assessment", "probability", "low"),
        ("assessment", "reason", b"\xff\x00"),
        ("assessment", "probability", float("inf")),
        ("audit", "at", "yesterday"),
        ("audit", "digest", b"\xff"),
    ],
)
async def test_what_is_no_value_of_its_column_is_found(
    table: str, column: str, value: object, sqlite_store: Store
) -> None:
    """SQLite keeps anything anywhere."""
    rows = await history(sqlite_store)
    key = "subject" if table == "audit" else "uuid"
    sql = f"UPDATE {table} SET {column} = :value WHERE {key} = :uuid"  # noqa: S608
    await execute(sqlite_store, sql, value=value, uuid=rows[1]["uuid"])
    assert {each.number for each in await found(sqlite_store)} == {2}


async def test_a_cut_tail_is_found_by_the_recorded_head(store: Store) -> None:
    rows = await history(store)
    recorded = await store.heads()
    for row in rows[4:]:
        await execute(store, "DELETE FROM sealed WHERE subject = :uuid", uuid=row["uuid"])
        await execute(store, "DELETE FROM assessment WHERE uuid = :uuid", uuid=row["uuid"])
    await forge(store, (await links(store))[:4])
    assert await found(store) == []  # the database alone cannot know
    (finding,) = await against(store, recorded)
    assert (finding.tenant, finding.number) == ("north", 6)
    assert "cut off" in finding.what


async def test_a_chain_written_anew_is_found_by_the_recorded_head(store: Store) -> None:
    rows = await history(store)
    recorded = await store.heads()
    await execute(store, "UPDATE assessment SET probability = 0 WHERE uuid = :u", u=rows[0]["uuid"])
    await forge(store, list(reversed(await links(store))))
    findings = await against(store, recorded)
    assert [each.number for each in findings] == [6]
    assert "written anew" in findings[0].what


async def test_a_chain_that_went_on_still_has_its_recorded_heads(store: Store) -> None:
    recorded = []
    for _ in range(3):
        await history(store)
        recorded += await store.heads()
    assert await against(store, recorded) == []


@pytest.mark.parametrize("number", [0.0, 1.0, 10.0, 1e15, 0.1 + 0.2, 5e-324])
async def test_a_float_has_one_digest_however_it_is_kept(number: float, store: Store) -> None:
    """SQLite keeps a whole one as an integer."""
    measured = {"duration_ms": number, "probability": number}
    row = await add(store, **measured)
    unshown = assessment(first_showing=False, **measured)
    await store.add_assessments([unshown], {unshown["uuid"]: CONTENTS})
    assert await found(store) == []
    kept = [await store.assessment("north", each["uuid"]) for each in (row, unshown)]
    assert all(repr(each.row["duration_ms"]) == repr(number) for each in kept if each)


ANY = st.integers(0, 999)


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(written=st.lists(st.booleans(), min_size=1, max_size=8), table=ANY, place=ANY, column=ANY)
async def test_one_mutation_of_any_history_is_found(
    written: list[bool], table: int, place: int, column: int, sqlite_store: Store
) -> None:
    for name in ("assessment", "feedback", "sealed", "audit", "audit_head"):
        await execute(sqlite_store, f"DELETE FROM {name}")  # noqa: S608
    row = await add(sqlite_store)
    for commented in written:
        row = row if commented and await comment(sqlite_store, row) else await add(sqlite_store)
    assert await found(sqlite_store) == []
    await mutate(sqlite_store, table, place, column)
    assert await found(sqlite_store) != []


async def mutate(store: Store, table: int, place: int, column: int) -> None:
    """Change one column of one row, or delete one row, of any table that counts."""
    sizes = [(each, await size(store, each.name)) for each in CHAINED]
    present = [(each, rows) for each, rows in sizes if rows]
    chosen, rows = present[table % len(present)]
    names = [None, *(each.name for each in chosen.c)]
    name = names[column % len(names)]
    change, given = f"DELETE FROM {chosen.name}", {}  # noqa: S608
    if name is not None:
        value = another(chosen.c[name])
        given = {"value": str(value) if name in MOMENTS else value}
        change = f"UPDATE {chosen.name} SET {name} = :value"  # noqa: S608
    where = f"(SELECT rowid FROM {chosen.name} LIMIT 1 OFFSET {place % rows})"  # noqa: S608
    assert await execute(store, f"{change} WHERE rowid = {where}", **given) == 1


CHAINED = (ASSESSMENT, AUDIT, AUDIT_HEAD, FEEDBACK)
MOMENTS = {each.name for table in CHAINED for each in table.c if isinstance(each.type, Moment)}


async def size(store: Store, table: str) -> int:
    async with store.database.reading() as connection:
        counted = await connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
    return int(counted or 0)


def test_a_digest_is_of_what_is_stored() -> None:
    east = moment(0).astimezone(timezone(timedelta(hours=3)))
    row = {"b": 0.1, "a": east, "n": None, "t": True, "ä": "é"}
    text = r'{"a":"2026-11-21T12:00:00.000000+00:00","b":0.1,"t":true,"\u00e4":"\u00e9"}'
    assert digest_of(row) == hashlib.sha256(text.encode()).hexdigest()
    assert digest_of(row | {"b": math.nextafter(0.1, 1)}) != digest_of(row)


@pytest.mark.parametrize("value", [moment(0).replace(tzinfo=None), b"x", float("nan"), {1}])
def test_what_has_no_one_form_has_no_digest(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        digest_of({"a": value})


def test_a_link_stands_for_all_before_it() -> None:
    link = Link("north", 1, moment(0), "assessed", "s", "d" * 64, START)
    assert len(link.hash) == 64
    changes: list[dict[str, Any]] = [
        {"tenant": "south"}, {"number": 2}, {"at": moment(1)}, {"kind": "purged"},
        {"subject": "x"}, {"digest": "e" * 64}, {"previous": "1" * 64},
    ]  # fmt: skip
    assert len({link.hash, *(replace(link, **each).hash for each in changes)}) == 8


async def test_the_head_is_that_of_the_last_link(store: Store) -> None:
    await history(store)
    last = (await links(store))[-1]
    assert (await store.heads())[0] == Head("north", 6, last.hash)


async def test_feedback_on_an_unknown_card_is_chained_too(store: Store) -> None:
    row = await add(store)
    quarantined = entry(row, card_uuid="nobody's", assessment_uuid=None)
    await store.add_feedback([quarantined], {})
    assert [link.kind for link in await links(store)] == ["assessed", "feedback"]
    assert await found(store) == []
