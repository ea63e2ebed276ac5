"""Moving the keys of sealed records under another storage key; the contents stay as they are."""

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.tables import SEALED
from cds_service.storage.vault import Vault

_PAGE = 500


async def rewrap_some(connection: AsyncConnection, vault: Vault, *, after: str) -> list[str]:
    """Rewrap the records that follow `after`, a page of them; which they were, none at the end.

    Raises KeyUnknownError where no storage key is theirs.
    """
    query = select(SEALED.c.subject, SEALED.c.wrapped_key).where(SEALED.c.subject > after)
    found = (await connection.execute(query.order_by(SEALED.c.subject).limit(_PAGE))).all()
    if found:
        statement = (
            update(SEALED)
            .where(SEALED.c.subject == bindparam("record"))
            .values(wrapped_key=bindparam("key"))
        )
        rewrapped = [{"record": r.subject, "key": vault.rewrap(r.wrapped_key)} for r in found]
        await connection.execute(statement, rewrapped)
    return [row.subject for row in found]
