"""Views that the SMART app refused: appended, each with its link."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.chain import digest_of
from cds_service.storage.links import add_links, lock
from cds_service.storage.tables import REFUSED_VIEW


async def add(connection: AsyncConnection, row: Mapping[str, Any]) -> None:
    """Write one refusal and its link."""
    statement = insert(REFUSED_VIEW).values(row).returning(*REFUSED_VIEW.c)
    stored = dict((await connection.execute(statement)).mappings().one())
    links = {row["uuid"]: digest_of(stored)}
    head = await lock(connection, row["tenant"])
    await add_links(connection, head, "refused", links, at=row["at"])
