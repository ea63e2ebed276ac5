"""What was sent to a FHIR server: noted before, and where it is once the server has said so."""

from collections.abc import Mapping
from typing import Any, cast

from sqlalchemy import ColumnElement, String, Table, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column

from cds_service.storage.links import insert_once
from cds_service.storage.tables import Base


class WrittenResourceRow(Base):
    """A resource sent to a FHIR server that can neither be asked for it nor take it twice as once.
    Noted before it is sent; no patient is named."""

    __tablename__ = "written_resource"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True, doc="whose it is")
    fhir_server: Mapped[str] = mapped_column(
        String(255), primary_key=True, doc="the server, as the tenants file writes it"
    )
    kind: Mapped[str] = mapped_column(
        String(32), primary_key=True, doc="RiskAssessment, Provenance or Device"
    )
    uuid: Mapped[str] = mapped_column(
        String(36),
        primary_key=True,
        doc="of the assessment; of a Device made of the bundle's digest",
    )
    place: Mapped[str | None] = mapped_column(
        String(128), doc="where it is at the server; NULL: no answer was noted"
    )


WRITTEN_RESOURCE = cast("Table", WrittenResourceRow.__table__)


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
