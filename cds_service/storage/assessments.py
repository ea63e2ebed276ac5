"""Assessments: written with their sealed contents and their link; found again by stay or card."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, Select, bindparam, exists, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.dml import ReturningInsert

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
    uuid, tenant, created_at = row["uuid"], row["tenant"], row["created_at"]
    head = await lock(connection, tenant)  # from here on none other can give the stay a card
    whole = {**row, "contents_digest": sealed.digest, "after": after}
    added = await connection.execute(_ADD[row["encounter_id"] is not None], whole)
    stored = added.mappings().one_or_none()
    if stored is None:
        return False
    await keep(connection, uuid, tenant, created_at, sealed=sealed)
    await add_links(connection, head, "assessed", {uuid: digest_of(dict(stored))}, at=created_at)
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
        whole = {**row, "contents_digest": contents.digest}
        stored = await connection.execute(_ADD_UNSHOWN, whole)
        digests[uuid] = digest_of(dict(stored.mappings().one()))
        await keep(connection, uuid, row["tenant"], row["created_at"], sealed=contents)
    for row in rows[:1]:
        head = await lock(connection, row["tenant"])
        await add_links(connection, head, "assessed", digests, at=row["created_at"])


def _portions(uuids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Databases bound how many parameters a statement has."""
    for start in range(0, len(uuids), _PORTION):
        yield uuids[start : start + _PORTION]


async def keep(
    connection: AsyncConnection, subject: str, tenant: str, created_at: datetime, *, sealed: Sealed
) -> None:
    """Write sealed contents beside the row they belong to."""
    fields = {"subject": subject, "tenant": tenant, "created_at": created_at}
    parts = {"wrapped_key": sealed.wrapped_key, "content": sealed.content}
    await connection.execute(_KEEP, fields | parts)


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
    stay = {"tenant": tenant, "service_id": service_id, "fhir_server": fhir_server}
    stay |= {"patient_id": patient_id, "encounter_id": encounter_id}
    found = await connection.execute(_SHOWN[encounter_id is not None], stay)
    row = found.mappings().one_or_none()
    return as_stored(row) if row else None


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


_GIVEN = {c.name: bindparam(c.name, type_=c.type) for c in ASSESSMENT.c if not c.primary_key}


def _newest_shown(query: Select[Any], *, stay_known: bool) -> Select[Any]:
    """Of a stay that is known by its encounter, which an index finds, or of what is known of none."""
    a, g = ASSESSMENT.c, _GIVEN
    return (
        query.where(a.tenant == g["tenant"], a.service_id == g["service_id"])
        .where(a.encounter_id == g["encounter_id"] if stay_known else a.encounter_id.is_(None))
        .where(a.fhir_server.is_not_distinct_from(g["fhir_server"]))
        .where(a.patient_id == g["patient_id"], a.first_showing.is_(True))
        .order_by(a.id.desc())
        .limit(1)
    )


def _add(*, stay_known: bool) -> ReturningInsert[Any]:
    """Nothing is written where the row would show a card first and the stay's is not that of `after`."""
    newest = _newest_shown(select(ASSESSMENT.c.uuid), stay_known=stay_known).scalar_subquery()
    fits = or_(
        _GIVEN["first_showing"].is_not(True),
        newest.is_not_distinct_from(bindparam("after", type_=ASSESSMENT.c.uuid.type)),
    )
    given = select(*_GIVEN.values()).where(fits)
    return insert(ASSESSMENT).from_select([*_GIVEN], given).returning(*ASSESSMENT.c)


# Built once: SQLAlchemy recognises them, and compiles each once for a database.
_SHOWN = {known: _newest_shown(WITH_CONTENTS, stay_known=known) for known in (True, False)}
_ADD = {known: _add(stay_known=known) for known in (True, False)}
_KEEP = insert(SEALED)
_ADD_UNSHOWN = insert(ASSESSMENT).returning(*ASSESSMENT.c)


def as_stored(joined: RowMapping) -> Stored:
    """A row of WITH_CONTENTS."""
    row = {column.name: joined[column] for column in ASSESSMENT.c}
    key, content = joined[SEALED.c.wrapped_key], joined[SEALED.c.content]
    return Stored(row, None if key is None else Sealed(key, content))
