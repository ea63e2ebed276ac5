"""Links in the database: added under the lock of the tenant's head; read page by page.

The lock is taken late in a transaction, so that it is held briefly: until the commit that makes
the subjects and their links durable together.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.chain import START, Head, Kind, Link, following
from cds_service.storage.tables import AUDIT, AUDIT_HEAD

_PAGE = 500


_LOCK = select(AUDIT_HEAD).where(AUDIT_HEAD.c.tenant == bindparam("of")).with_for_update()
_LINK = insert(AUDIT)
_MOVE = update(AUDIT_HEAD).where(AUDIT_HEAD.c.tenant == bindparam("of"))


async def add_links(
    connection: AsyncConnection,
    head: Head,
    kind: Kind,
    digests: Mapping[str, str],
    *,
    at: datetime,
) -> None:
    """Extend the chain of a locked head by one link for each subject; `digests` by subject."""
    links = []
    for subject, digest in digests.items():
        link = following(head, kind, subject, at=at, digest=digest)
        head = Head(head.tenant, link.number, link.hash)
        links.append({**asdict(link), "hash": link.hash})
    if links:
        moved = {"of": head.tenant, "number": head.number, "hash": head.hash}
        await connection.execute(_LINK, links)
        await connection.execute(_MOVE, moved)


async def lock(connection: AsyncConnection, tenant: str) -> Head:
    """The tenant's head, held against every other writer; a new tenant gets one first."""
    row = (await connection.execute(_LOCK, {"of": tenant})).mappings().one_or_none()
    if row is None:
        begun = {"tenant": tenant, "number": 0, "hash": START}
        await connection.execute(insert_once(connection, AUDIT_HEAD), begun)
        row = (await connection.execute(_LOCK, {"of": tenant})).mappings().one()
    return Head(**row)


async def heads(connection: AsyncConnection) -> list[Head]:
    """The head of every chain, by tenant."""
    found = await connection.execute(select(AUDIT_HEAD).order_by(AUDIT_HEAD.c.tenant))
    return [Head(**row) for row in found.mappings()]


async def link_of(connection: AsyncConnection, kind: Kind, subject: str) -> Link | None:
    """The link of that kind that speaks of `subject`."""
    query = select(AUDIT).where(AUDIT.c.kind == kind, AUDIT.c.subject == subject)
    row = (await connection.execute(query)).mappings().first()
    return as_link(row) if row else None


async def numbers(
    connection: AsyncConnection, tenant: str, *conditions: ColumnElement[bool]
) -> AsyncIterator[list[int]]:
    """The numbers of a tenant's links in order, page by page."""
    last: int | None = None
    while True:
        query = select(AUDIT.c.number).where(AUDIT.c.tenant == tenant, *conditions)
        if last is not None:
            query = query.where(AUDIT.c.number > last)
        page = list((await connection.scalars(query.order_by(AUDIT.c.number).limit(_PAGE))).all())
        if not page:
            return
        yield page
        last = page[-1]


async def rows_by(
    connection: AsyncConnection,
    key: ColumnElement[Any],
    keys: Collection[Any],
    *conditions: ColumnElement[bool],
) -> dict[Any, dict[str, Any] | None]:
    """Rows of the table of `key`, by it; None for one in which something is no value of its column."""
    query = select(key.table).where(key.in_(keys), *conditions)
    try:
        found = (await connection.execute(query)).mappings().all()
    except (TypeError, ValueError):  # SQLite keeps any text as a time
        if len(keys) == 1:
            return dict.fromkeys(keys)
        single = [await rows_by(connection, key, [each], *conditions) for each in keys]
        return {name: row for rows in single for name, row in rows.items()}
    return {row[key]: dict(row) for row in found}


def as_link(row: Mapping[Any, Any]) -> Link:
    """A row of `audit` without its hash."""
    return Link(**{name: row[name] for name in Link.__dataclass_fields__})


def insert_once(connection: AsyncConnection, table: Table) -> Insert:
    """An INSERT that leaves a row alone that is already there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()
