"""Ways to change what was stored behind the service's back, and what `verify` says of the result."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert, select, text

from cds_service.governance import verification
from cds_service.governance.verification import Finding
from cds_service.storage.chain import Head, Link
from cds_service.storage.links import as_link
from cds_service.storage.store import Store
from cds_service.storage.tables import AUDIT, AUDIT_HEAD


async def execute(store: Store, statement: str, **given: Any) -> int:
    """Run SQL as somebody with access to the database would; how many rows it changed."""
    async with store.database.writing() as connection:
        return (await connection.execute(text(statement), given)).rowcount


async def links(store: Store, tenant: str = "north") -> list[Link]:
    async with store.database.reading() as connection:
        query = select(AUDIT).where(AUDIT.c.tenant == tenant).order_by(AUDIT.c.number)
        return [as_link(row) for row in (await connection.execute(query)).mappings()]


async def forge(store: Store, kept: Sequence[Link], tenant: str = "north") -> None:
    """Write a chain anew from these links, numbered, hashed and headed as if nothing had been."""
    head = Head(tenant, 0, "0" * 64)
    async with store.database.writing() as connection:
        await connection.execute(text("DELETE FROM audit WHERE tenant = :t"), {"t": tenant})
        for old in kept:
            new = Link(
                tenant, head.number + 1, old.at, old.kind, old.subject, old.digest, head.hash
            )
            fields = {name: getattr(new, name) for name in new.__dataclass_fields__}
            await connection.execute(insert(AUDIT), fields | {"hash": new.hash})
            head = Head(tenant, new.number, new.hash)
        await connection.execute(
            AUDIT_HEAD.update()
            .where(AUDIT_HEAD.c.tenant == tenant)
            .values(number=head.number, hash=head.hash)
        )


async def found(store: Store, *tenants: str) -> list[Finding]:
    """Everything that verification says, of these tenants or of all."""
    async with store.database.reading() as connection:
        listed = tenants or await verification.tenants(connection)
        return [
            finding
            for tenant in listed
            async for finding in verification.verify(connection, tenant, lambda _: None)
        ]


async def against(store: Store, recorded: Sequence[Head]) -> list[Finding]:
    async with store.database.reading() as connection:
        return [finding async for finding in verification.against(connection, recorded)]
