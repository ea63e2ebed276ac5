"""What was sent to a FHIR server: noted before, and where it is once the server has said so."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.links import insert_once
from cds_service.storage.tables import WRITTEN_RESOURCE


async def begin(connection: AsyncConnection, key: Mapping[str, str]) -> str | None:
    """None: noted now. Else where it is, empty where that was never noted. `key`: the columns of
    the primary key."""
    done = await connection.execute(insert_once(connection, WRITTEN_RESOURCE), key)
    if done.rowcount == 1:
        return None
    query = select(WRITTEN_RESOURCE.c.place).where(_is(key))
    return str((await connection.execute(query)).scalar_one() or "")


async def end(connection: AsyncConnection, key: Mapping[str, str], place: str) -> None:
    """Note where it is."""
    await connection.execute(update(WRITTEN_RESOURCE).where(_is(key)).values(place=place))


async def withdraw(connection: AsyncConnection, key: Mapping[str, str]) -> None:
    """It did not arrive."""
    await connection.execute(delete(WRITTEN_RESOURCE).where(_is(key)))


def _is(key: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(*(WRITTEN_RESOURCE.c[name] == value for name, value in key.items()))
