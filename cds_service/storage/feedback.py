"""Feedback entries: appended as received, each with its link; a comment goes to the sealed ones."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.assessments import keep
from cds_service.storage.chain import digest_of
from cds_service.storage.links import add_links, lock
from cds_service.storage.tables import FEEDBACK
from cds_service.storage.vault import Sealed


async def add(connection: AsyncConnection, row: Mapping[str, Any], comment: Sealed | None) -> None:
    """Write one entry, its comment and its link."""
    uuid, tenant, received_at = row["uuid"], row["tenant"], row["received_at"]
    whole = {**row, "contents_digest": comment.digest if comment else None}
    statement = insert(FEEDBACK).values(whole).returning(*FEEDBACK.c)
    stored = dict((await connection.execute(statement)).mappings().one())
    if comment:
        await keep(connection, uuid, tenant, received_at, sealed=comment)
    head = await lock(connection, tenant)
    await add_links(connection, head, "feedback", {uuid: digest_of(stored)}, at=received_at)


async def of_card(
    connection: AsyncConnection, tenant: str, card_uuid: str
) -> list[Mapping[str, Any]]:
    """What was said of one card of a tenant, in the order in which it came."""
    f = FEEDBACK.c
    query = (
        select(*f)
        .where(f.tenant == tenant, f.card_uuid == card_uuid)
        .order_by(f.received_at, f.uuid)
    )
    return [dict(row) for row in (await connection.execute(query)).mappings()]
