"""Assessments: written with their sealed contents and their link; found again by stay or card."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.chain import digest_of
from cds_service.storage.links import add_links, lock
from cds_service.storage.tables import ASSESSMENT, SEALED
from cds_service.storage.vault import Sealed

_PORTION = 500


@dataclass(frozen=True)
class Stored:
    """An assessment's row, and its contents still sealed; None where they were purged."""

    row: Mapping[str, Any]
    sealed: Sealed | None


async def add(
    connection: AsyncConnection, row: Mapping[str, Any], sealed: Sealed, *, after: str | None
) -> bool:
    """Write an assessment, its contents and its link; False where its card comes too late."""
    if row.get("first_showing") and await _card_of_stay(connection, row) != after:
        return False
    whole = {**row, "contents_digest": sealed.digest}
    statement = insert(ASSESSMENT).values(whole).returning(*ASSESSMENT.c)
    stored = dict((await connection.execute(statement)).mappings().one())
    uuid, tenant, created_at = row["uuid"], row["tenant"], row["created_at"]
    await keep(connection, uuid, tenant, created_at, sealed=sealed)
    await add_links(connection, tenant, "assessed", {uuid: digest_of(stored)}, at=created_at)
    return True


async def known(connection: AsyncConnection, uuids: Collection[str]) -> set[str]:
    """Those of the ids that are stored."""
    found: set[str] = set()
    for some in _portions(list(uuids)):
        query = select(ASSESSMENT.c.uuid).where(ASSESSMENT.c.uuid.in_(some))
        found.update(uuid for (uuid,) in await connection.execute(query))
    return found


async def add_unshown(
    connection: AsyncConnection, rows: Sequence[Mapping[str, Any]], sealed: Mapping[str, Sealed]
) -> None:
    """Write rows of one tenant that show no card, with their contents and links."""
    digests: dict[str, str] = {}
    for row in rows:
        uuid, contents = row["uuid"], sealed[row["uuid"]]
        statement = insert(ASSESSMENT).values({**row, "contents_digest": contents.digest})
        stored = await connection.execute(statement.returning(*ASSESSMENT.c))
        digests[uuid] = digest_of(dict(stored.mappings().one()))
        await keep(connection, uuid, row["tenant"], row["created_at"], sealed=contents)
    for row in rows[:1]:
        await add_links(connection, row["tenant"], "assessed", digests, at=row["created_at"])


def _portions(uuids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Databases bound how many parameters a statement has."""
    for start in range(0, len(uuids), _PORTION):
        yield uuids[start : start + _PORTION]


async def _card_of_stay(connection: AsyncConnection, row: Mapping[str, Any]) -> str | None:
    """The assessment whose card the stay has; none other can give it one until the transaction ends."""
    await lock(connection, row["tenant"])
    stay = {name: row[name] for name in ("service_id", "fhir_server", "patient_id", "encounter_id")}
    newest = _newest_shown(select(ASSESSMENT.c.uuid), row["tenant"], **stay)
    found: str | None = await connection.scalar(newest)
    return found


async def keep(
    connection: AsyncConnection, subject: str, tenant: str, created_at: datetime, *, sealed: Sealed
) -> None:
    """Write sealed contents beside the row they belong to."""
    fields = {"subject": subject, "tenant": tenant, "created_at": created_at}
    parts = {"wrapped_key": sealed.wrapped_key, "content": sealed.content}
    await connection.execute(insert(SEALED), fields | parts)


async def shown(
    connection: AsyncConnection,
    tenant: str,
    *,
    service_id: str,
    fhir_server: str | None,
    patient_id: str,
    encounter_id: str | None,
) -> Stored | None:
    """The newest assessment of that stay that showed its card first."""
    stay = {"service_id": service_id, "fhir_server": fhir_server}
    stay |= {"patient_id": patient_id, "encounter_id": encounter_id}
    found = await connection.execute(_newest_shown(WITH_CONTENTS, tenant, **stay))
    row = found.mappings().one_or_none()
    return as_stored(row) if row else None


def _newest_shown(query: Select[Any], tenant: str, **stay: str | None) -> Select[Any]:
    a = ASSESSMENT.c
    of_stay = (a[name].is_(None) if key is None else a[name] == key for name, key in stay.items())
    shown_first = query.where(a.tenant == tenant, a.first_showing.is_(True), *of_stay)
    return shown_first.order_by(a.id.desc()).limit(1)


async def by_uuid(connection: AsyncConnection, uuid: str) -> Stored | None:
    """One assessment by the id that left the service."""
    found = await connection.execute(WITH_CONTENTS.where(ASSESSMENT.c.uuid == uuid))
    row = found.mappings().one_or_none()
    return as_stored(row) if row else None


async def of_patient(
    connection: AsyncConnection, tenant: str, patient_id: str
) -> list[Mapping[str, Any]]:
    """The rows of one patient of a tenant, in the order in which they were made."""
    a = ASSESSMENT.c
    query = select(*a).where(a.tenant == tenant, a.patient_id == patient_id).order_by(a.id)
    return [dict(row) for row in (await connection.execute(query)).mappings()]


async def first_probabilities(
    connection: AsyncConnection, tenant: str, *, service_id: str, bundle: str, since: datetime
) -> list[tuple[datetime, float]]:
    """When and with which probability each stay was first scored by the bundle of that digest, of
    those first scored since. A batch scores whole years at once, and is no part of it."""
    a, earlier = ASSESSMENT.c, ASSESSMENT.alias()
    before = exists().where(
        earlier.c.tenant == tenant,
        earlier.c.service_id == service_id,
        earlier.c.bundle_digest == bundle,
        earlier.c.encounter_id == a.encounter_id,
        earlier.c.fhir_server.is_not_distinct_from(a.fhir_server),
        earlier.c.probability.is_not(None),
        earlier.c.hook != "batch",
        earlier.c.id < a.id,
    )
    found = await connection.execute(
        select(a.created_at, a.probability)
        .where(a.tenant == tenant, a.service_id == service_id, a.created_at >= since)
        .where(a.bundle_digest == bundle, a.hook != "batch")
        .where(a.probability.is_not(None), a.encounter_id.is_not(None), ~before)
        .order_by(a.id)
    )
    return [(created_at, probability) for created_at, probability in found]


async def cards_of(
    connection: AsyncConnection, tenant: str, *, service_id: str, card_uuids: Collection[str]
) -> dict[str, str]:
    """For each card that the tenant was shown by this service: the assessment that showed it first."""
    a = ASSESSMENT.c
    found = await connection.execute(
        select(a.card_uuid, a.uuid)
        .where(a.tenant == tenant, a.service_id == service_id)
        .where(a.card_uuid.in_(card_uuids), a.first_showing.is_(True))
        .order_by(a.id.desc())  # of several the earliest is the one that stays
    )
    return {row.card_uuid: row.uuid for row in found}


WITH_CONTENTS = select(*ASSESSMENT.c, SEALED.c.wrapped_key, SEALED.c.content).outerjoin(
    SEALED, SEALED.c.subject == ASSESSMENT.c.uuid
)


def as_stored(joined: RowMapping) -> Stored:
    """A row of WITH_CONTENTS."""
    row = {column.name: joined[column] for column in ASSESSMENT.c}
    key, content = joined[SEALED.c.wrapped_key], joined[SEALED.c.content]
    return Stored(row, None if key is None else Sealed(key, content))
