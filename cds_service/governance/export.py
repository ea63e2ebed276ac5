"""The audit trail as NDJSON: whole or not at all, the same bytes for the same rows, page by page."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.errors import StartRefusedError
from cds_service.governance.fhir import audit_event, provenance
from cds_service.storage.chain import Link
from cds_service.storage.links import as_link, numbers, rows_by
from cds_service.storage.tables import ASSESSMENT, AUDIT, FEEDBACK, REFUSED_VIEW

Row = Mapping[str, Any]


async def export(
    connection: AsyncConnection,
    out: Path,
    tenants: Iterable[str],
    *,
    since: datetime | None,
    until: datetime | None,
    advance: Callable[[int], object],
) -> int:
    """Write every link between the two moments (the second excluded); how many resources."""
    draft, written = out.with_name(f".{out.name}.part"), 0
    try:
        with draft.open("w", encoding="utf-8") as file:
            for tenant in tenants:
                async for lines in _pages(connection, tenant, _between(since, until)):
                    file.writelines(f"{line}\n" for line in lines)
                    written += len(lines)
                    advance(len(lines))
        draft.replace(out)
    except OSError as wrong:  # else it would pass for the database's
        raise StartRefusedError(f"{out}: cannot be written ({wrong.strerror})") from None
    finally:
        draft.unlink(missing_ok=True)
    return written


def _between(since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    after = [] if since is None else [AUDIT.c.at >= since]
    return after if until is None else [*after, AUDIT.c.at < until]


async def _pages(
    connection: AsyncConnection, tenant: str, conditions: list[ColumnElement[bool]]
) -> AsyncIterator[list[str]]:
    async for page in numbers(connection, tenant, *conditions):
        rows = await rows_by(connection, AUDIT.c.number, page, AUDIT.c.tenant == tenant)
        links = [as_link(row) for number in page if (row := rows[number])]
        subjects = await _subjects(connection, links)
        yield [line for link in links for line in _resources(link, subjects.get(link.subject))]


async def _subjects(
    connection: AsyncConnection, links: list[Link]
) -> Mapping[str, dict[str, Any] | None]:
    uuids = [link.subject for link in links]
    assessments = await rows_by(connection, ASSESSMENT.c.uuid, uuids)
    refused = await rows_by(connection, REFUSED_VIEW.c.uuid, uuids)
    return await rows_by(connection, FEEDBACK.c.uuid, uuids) | refused | assessments


def _resources(link: Link, subject: Row | None) -> list[str]:
    event = audit_event(link, subject)
    if link.kind == "assessed" and subject and subject["outcome"] == "scored":
        return [event, provenance(subject, link.at)]
    return [event]
