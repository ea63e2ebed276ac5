"""Whether a chain is whole, link by link, beside the rows it speaks of. Reads only, page by page."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, func, select, union
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.errors import StartRefusedError
from cds_service.storage.chain import START, Head, digest_of
from cds_service.storage.links import as_link, heads, numbers, rows_by
from cds_service.storage.tables import (
    ASSESSMENT,
    AUDIT,
    AUDIT_HEAD,
    FEEDBACK,
    REFUSED_VIEW,
    SEALED,
)
from cds_service.storage.vault import Sealed

Row = Mapping[str, Any]
_SUBJECTS: Mapping[str, tuple[str, ColumnElement[Any]]] = {
    "assessed": ("assessment", ASSESSMENT.c.uuid),
    "feedback": ("feedback entry", FEEDBACK.c.uuid),
    "refused": ("refused view", REFUSED_VIEW.c.uuid),
}


@dataclass(frozen=True)
class Finding:
    """Something that is not as it was written; `number` None where it is no one link's matter."""

    tenant: str
    number: int | None
    what: str


@dataclass(frozen=True)
class _Page:
    """What a page of links speaks of: the rows by kind and uuid, contents, removals."""

    links: Mapping[int, Row | None]
    subjects: Mapping[tuple[str, str], Row | None]
    sealed: Mapping[str, Row | None]
    purged: frozenset[str]


async def tenants(connection: AsyncConnection) -> list[str]:
    """Everybody of whom anything is stored, and so should be chained."""
    tables = (AUDIT, AUDIT_HEAD, ASSESSMENT, FEEDBACK, SEALED, REFUSED_VIEW)
    named = [select(table.c.tenant).where(table.c.tenant.is_not(None)) for table in tables]
    return sorted((await connection.scalars(union(*named))).all())


async def check_stored(connection: AsyncConnection, tenant: str) -> None:
    """A misspelt name would be found whole, and purged. Raises StartRefusedError."""
    if tenant not in await tenants(connection):
        raise StartRefusedError(
            f"{tenant}: nothing is stored of this tenant: the name is misspelt, no call came yet, or"
            " all of it was deleted, which recorded heads would show"
        )


async def unchained(connection: AsyncConnection) -> int:
    """Assessments from before tenants: outside of any chain."""
    query = select(func.count()).select_from(ASSESSMENT).where(ASSESSMENT.c.tenant.is_(None))
    return (await connection.execute(query)).scalar_one()


async def verify(
    connection: AsyncConnection, tenant: str, advance: Callable[[int], object]
) -> AsyncIterator[Finding]:
    """Everything wrong with one tenant's chain; `advance` is told how many links were looked at."""
    last = Head(tenant, 0, START)
    async for listed in numbers(connection, tenant):
        page = await _page(connection, tenant, listed)
        for number in listed:
            row = page.links[number]
            for what in _broken(number, row, last):
                yield Finding(tenant, number, what)
            if row:
                for what in _about_subject(row, page):
                    yield Finding(tenant, number, what)
            last = Head(tenant, number, row["hash"] if row else "")
        advance(len(listed))
    for what in await _about_head(connection, last):
        yield Finding(tenant, None, what)
    async for what in _without_link(connection, tenant):
        yield Finding(tenant, None, what)


async def against(connection: AsyncConnection, recorded: Iterable[Head]) -> AsyncIterator[Finding]:
    """Recorded heads that the chains no longer have."""
    for head in recorded:
        at = and_(AUDIT.c.tenant == head.tenant, AUDIT.c.number == head.number)
        found = await connection.scalar(select(AUDIT.c.hash).where(at))
        if found is None:
            what = "was recorded as the head and is gone: the tail was cut off"
            yield Finding(head.tenant, head.number, what)
        elif found != head.hash:
            what = "is not the link that was recorded as the head: the chain was written anew"
            yield Finding(head.tenant, head.number, what)


async def _page(connection: AsyncConnection, tenant: str, listed: list[int]) -> _Page:
    links = await rows_by(connection, AUDIT.c.number, listed, AUDIT.c.tenant == tenant)
    rows = [row for row in links.values() if row]
    subjects: dict[tuple[str, str], Row | None] = {}
    for kind, (_, key) in _SUBJECTS.items():
        found = await rows_by(connection, key, [r["subject"] for r in rows if r["kind"] == kind])
        subjects |= {(kind, uuid): row for uuid, row in found.items()}
    named = [row["subject"] for row in rows]
    sealed = await rows_by(connection, SEALED.c.subject, named)
    purged = await connection.scalars(
        select(AUDIT.c.subject)
        .where(AUDIT.c.tenant == tenant, AUDIT.c.kind == "purged")
        .where(AUDIT.c.subject.in_(named))
    )
    return _Page(links, subjects, sealed, frozenset(purged))


def _broken(number: int, row: Row | None, last: Head) -> Iterator[str]:
    """What is wrong with the link itself and with its place."""
    if row is None or not _holds(lambda: as_link(row).hash, row["hash"]):
        yield "the link was changed after it was written"
    if number != last.number + 1:
        yield f"follows number {last.number}: links between them are missing"
    elif row and last.hash and row["previous"] != last.hash:
        yield "does not continue the link before it"


def _about_subject(row: Row, page: _Page) -> Iterator[str]:
    """What is wrong with the row that a link speaks of."""
    uuid = row["subject"]
    if row["kind"] == "purged":
        if uuid in page.sealed:
            yield f"contents of {uuid} are back after they were purged"
        return
    if row["kind"] not in _SUBJECTS:
        yield "the link is of a kind that does not exist"
        return
    name = _SUBJECTS[row["kind"]][0]
    if (row["kind"], uuid) not in page.subjects:
        yield f"{name} {uuid} is gone"
        return
    subject = page.subjects[row["kind"], uuid]
    if subject is None or not _holds(lambda: digest_of(subject), row["digest"]):
        yield f"{name} {uuid} was changed after it was written"
    elif "contents_digest" in subject:
        yield from _about_contents(subject, f"contents of {name} {uuid}", page)


def _about_contents(subject: Row, name: str, page: _Page) -> Iterator[str]:
    """What is wrong with what was sealed for a row. It is not opened: that needs no key."""
    uuid, stated = subject["uuid"], subject["contents_digest"]
    if uuid not in page.sealed:
        if subject.get("commented", True) and uuid not in page.purged:
            yield f"{name} are gone, and no link says that they were purged"
        return
    kept = page.sealed[uuid]
    stored = subject["created_at"] if "created_at" in subject else subject["received_at"]
    if kept is None or kept["created_at"] != stored:
        yield f"{name} are not of the time they were stored: retention would miss them"
    elif stated is not None and Sealed(kept["wrapped_key"], kept["content"]).digest != stated:
        yield f"{name} were changed after they were written"


def _holds(digest: Callable[[], str], stated: str) -> bool:
    try:
        return digest() == stated
    except (TypeError, ValueError):  # bytes, infinity: nothing that was ever written
        return False


async def _about_head(connection: AsyncConnection, last: Head) -> list[str]:
    known = {head.tenant: head for head in await heads(connection)}
    head = known.get(last.tenant, Head(last.tenant, 0, START))
    if head.number > last.number:
        return [f"the head is number {head.number} and the last link {last.number}: cut off"]
    if head != last:
        return [f"the head is not the last link, number {last.number}"]
    return []


async def _without_link(connection: AsyncConnection, tenant: str) -> AsyncIterator[str]:
    """Rows that no link speaks of."""
    listed: tuple[tuple[str, Table, Any, tuple[str, ...]], ...] = (
        ("assessment", ASSESSMENT, ASSESSMENT.c.uuid, ("assessed",)),
        ("feedback entry", FEEDBACK, FEEDBACK.c.uuid, ("feedback",)),
        ("refused view", REFUSED_VIEW, REFUSED_VIEW.c.uuid, ("refused",)),
        ("sealed record", SEALED, SEALED.c.subject, ("assessed", "feedback")),
    )
    for name, table, key, kinds in listed:
        spoken_of = and_(AUDIT.c.subject == key, AUDIT.c.kind.in_(kinds), AUDIT.c.tenant == tenant)
        query = (
            select(key)
            .outerjoin(AUDIT, spoken_of)
            .where(table.c.tenant == tenant, AUDIT.c.number.is_(None))
        )
        async with connection.stream(query) as found:
            async for (uuid,) in found:
                yield f"{name} {uuid or 'without an id'} has no link: it was put in from outside"
