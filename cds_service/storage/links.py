"""Writing links: the head of the tenant's chain is locked, the link added, the head moved on.

Called last in a transaction, so that the lock is held briefly: until the commit that makes the
subject and its link durable together.
"""

from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Insert, Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.chain import START, Head, Kind, following
from cds_service.storage.tables import AUDIT, AUDIT_HEAD


async def add_link(
    connection: AsyncConnection,
    tenant: str,
    kind: Kind,
    subject: str,
    *,
    at: datetime,
    digest: str,
) -> None:
    """Extend the tenant's chain by one link."""
    link = following(await _locked(connection, tenant), kind, subject, at=at, digest=digest)
    await connection.execute(insert(AUDIT), {**asdict(link), "hash": link.hash})
    await connection.execute(
        update(AUDIT_HEAD)
        .where(AUDIT_HEAD.c.tenant == tenant)
        .values(number=link.number, hash=link.hash)
    )


async def heads(connection: AsyncConnection) -> list[Head]:
    """The head of every chain, by tenant."""
    found = await connection.execute(select(AUDIT_HEAD).order_by(AUDIT_HEAD.c.tenant))
    return [Head(**row) for row in found.mappings()]


def insert_once(connection: AsyncConnection, table: Table) -> Insert:
    """An INSERT that leaves a row alone that is already there."""
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return postgresql.insert(table).on_conflict_do_nothing()


async def _locked(connection: AsyncConnection, tenant: str) -> Head:
    """The tenant's head, held against every other writer; a new tenant gets one first."""
    query = select(AUDIT_HEAD).where(AUDIT_HEAD.c.tenant == tenant).with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        begun = {"tenant": tenant, "number": 0, "hash": START}
        await connection.execute(insert_once(connection, AUDIT_HEAD), begun)
        row = (await connection.execute(query)).mappings().one()
    return Head(**row)
