"""Removing sealed contents: the rows stay, a link says of each what was removed and when."""

import hashlib
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.chain import digest_of
from cds_service.storage.database import Database
from cds_service.storage.links import add_links, lock
from cds_service.storage.tables import ASSESSMENT, FEEDBACK, SEALED

Selection = ColumnElement[bool]
_PAGE = 200


def stored_before(moment: datetime) -> Selection:
    """Everything stored before that moment."""
    return SEALED.c.created_at < moment


def of_patient(patient_id: str) -> Selection:
    """Every assessment of the patient, and the comments on their cards."""
    return _of(ASSESSMENT.c.patient_id == patient_id)


def of_assessment(uuid: str) -> Selection:
    """One assessment, and the comments on its card."""
    return _of(ASSESSMENT.c.uuid == uuid)


async def count(connection: AsyncConnection, tenant: str, selection: Selection) -> int:
    """How many sealed records of the tenant are selected."""
    query = select(func.count()).select_from(SEALED).where(SEALED.c.tenant == tenant, selection)
    return (await connection.execute(query)).scalar_one()


async def purge_some(
    connection: AsyncConnection, tenant: str, selection: Selection, *, now: datetime
) -> int:
    """Remove a page of what is selected and link it; how many there were, 0 at the end."""
    page = select(SEALED.c.subject).where(SEALED.c.tenant == tenant, selection).limit(_PAGE)
    removal = delete(SEALED).where(SEALED.c.subject.in_(page)).returning(*SEALED.c)
    removed = (await connection.execute(removal)).mappings().all()
    digests = {
        row["subject"]: digest_of(
            {
                "subject": row["subject"],
                "tenant": row["tenant"],
                "created_at": row["created_at"],
                "content": hashlib.sha256(row["content"]).hexdigest(),
            }
        )
        for row in sorted(removed, key=lambda row: row["subject"])
    }
    if digests:
        await add_links(connection, await lock(connection, tenant), "purged", digests, at=now)
    return len(removed)


async def reclaim(database: Database) -> bool:
    """Let no copy of what was removed stay in the write-ahead log or in dead rows. False: somebody
    reads from that log, and it could not be cut."""
    async with database.outside() as connection:
        if not database.is_sqlite:
            await connection.execute(text("VACUUM sealed"))
            return True
        busy = await connection.scalar(text("PRAGMA wal_checkpoint(TRUNCATE)"))
        return not busy


def _of(condition: ColumnElement[bool]) -> Selection:
    assessments = select(ASSESSMENT.c.uuid).where(ASSESSMENT.c.tenant == SEALED.c.tenant, condition)
    comments = select(FEEDBACK.c.uuid).where(FEEDBACK.c.assessment_uuid.in_(assessments))
    return or_(SEALED.c.subject.in_(assessments), SEALED.c.subject.in_(comments))
