"""Lists of a tenant's assessments: of a patient, page by page, and of the stays of a day. Never changes any.

Every query names its tenant.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    RowMapping,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from cds_service.storage.assessments import WITH_CONTENTS, Stored, as_stored
from cds_service.storage.tables import ASSESSMENT

Row = dict[str, Any]
SCORED: Final = "scored"
_DAY: Final = timedelta(days=1)
_STAY: Final = ("tenant", "service_id", "fhir_server", "patient_id", "encounter_id")


@dataclass(frozen=True)
class StayOfDay:
    """A stay of one service: its newest assessment, and the newest that has a score; may be the same."""

    newest: Row
    scored: Row | None


def of(
    tenant: str, patient_id: str, *, fhir_server: str | None, since: datetime | None
) -> ColumnElement[bool]:
    """Which assessments are of the patient; of that server and made since then, where that is said."""
    a = ASSESSMENT.c
    conditions = [a.tenant == tenant, a.patient_id == patient_id, a.uuid.is_not(None)]
    if fhir_server is not None:
        conditions.append(a.fhir_server == fhir_server)
    if since is not None:
        conditions.append(a.created_at >= since)
    return and_(*conditions)


async def of_patient(
    connection: AsyncConnection, of: ColumnElement[bool], *, before: int | None, limit: int
) -> list[Stored]:
    """At most `limit` of these assessments with their contents, newest first; `before`: those with
    a smaller `id` only, which is how a page goes on."""
    query = WITH_CONTENTS.where(of)
    if before is not None:
        query = query.where(ASSESSMENT.c.id < before)
    found = await connection.execute(query.order_by(ASSESSMENT.c.id.desc()).limit(limit))
    return [as_stored(row) for row in found.mappings()]


async def count(connection: AsyncConnection, of: ColumnElement[bool]) -> int:
    """How many there are on all pages."""
    query = select(func.count()).select_from(ASSESSMENT).where(of)
    return (await connection.execute(query)).scalar_one()


async def stays_of(
    connection: AsyncConnection,
    tenant: str,
    service_id: str,
    *,
    fhir_server: str,
    since: datetime,
    until: datetime,
) -> list[StayOfDay]:
    """The stays of that server whose newest assessment was made in [since, until), and not silently:
    those with a score first, by probability, then by points; the others as they came. Of a batch
    what ended long before is not of that day, and is passed over."""
    a, later = ASSESSMENT.c, ASSESSMENT.alias()
    of_day = _last_of_stay(later, _of_its_time(later, since)).where(
        _of_its_time(ASSESSMENT, since),
        a.tenant == tenant,
        a.service_id == service_id,
        a.fhir_server == fhir_server,  # another server's ids are other people's
        a.encounter_id.is_not(None),
        a.silent.is_not(True),
        a.created_at >= since,
        a.created_at < until,
    )
    newest = (await connection.execute(of_day.order_by(a.id))).mappings().all()
    earlier = await connection.execute(_scored_before(of_day))
    scored = {_stay(row): row for row in (*earlier.mappings(), *newest) if row["outcome"] == SCORED}
    return sorted((_of_day(row, scored.get(_stay(row))) for row in newest), key=_rank)


def _of_its_time(row: FromClause, since: datetime) -> ColumnElement[bool]:
    """What a hook or a user asked for always is; of a batch what ended at most a day before."""
    return or_(row.c.hook != "batch", row.c.prediction_time >= since - _DAY)


def _last_of_stay(later: FromClause, *conditions: ColumnElement[bool]) -> Select[Any]:
    """Assessments after which the stay has no other (of those that `conditions` on `later` allow)."""
    same = (later.c[name] == ASSESSMENT.c[name] for name in _STAY)
    return select(ASSESSMENT).where(
        ~exists().where(*same, later.c.id > ASSESSMENT.c.id, *conditions)
    )


def _scored_before(of_day: Select[Any]) -> Select[Any]:
    """The newest scored assessment of each stay whose newest one has no score."""
    later = ASSESSMENT.alias()
    without = of_day.where(ASSESSMENT.c.outcome != SCORED).subquery()
    same = (without.c[name] == ASSESSMENT.c[name] for name in _STAY)
    last = _last_of_stay(later, later.c.outcome == SCORED)
    shown = (ASSESSMENT.c.outcome == SCORED, ASSESSMENT.c.silent.is_not(True))
    return last.where(*shown).join(without, and_(*same))


def _of_day(newest: RowMapping, scored: RowMapping | None) -> StayOfDay:
    return StayOfDay(dict(newest), dict(scored) if scored else None)


def _stay(row: RowMapping) -> tuple[str, str]:
    return row["patient_id"], row["encounter_id"]


def _rank(stay: StayOfDay) -> tuple[bool, float, float, float]:
    if stay.scored is None:
        return (True, 0.0, 0.0, 0.0)
    descending = (stay.scored[name] for name in ("probability", "lace_points", "hospital_points"))
    probability, lace, hospital = (-1.0 if value is None else value for value in descending)
    return (False, -probability, -lace, -hospital)
