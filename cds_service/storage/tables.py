"""The tables. What is chained and kept holds ids, digests and results; values of the record lie
encrypted in `sealed`, and can be purged. Times are aware UTC, digests SHA-256 in hexadecimal."""

from datetime import UTC, datetime
from typing import cast

from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
}


class Moment(TypeDecorator[datetime]):
    """A moment, aware, UTC on the way in and out: SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a time without a zone: which moment it is would be a guess."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment needs its zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite's come without their zone, which is UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """All tables of the service; constraint names are fixed so that migrations can speak of them."""

    metadata = MetaData(naming_convention=_NAMES)


class AssessmentRow(Base):
    """One answered hook call. Written once, never changed.

    `uuid` is the id that leaves the service: opaque, in links and exports. `card_uuid` is None
    where no card was shown; `first_showing` is true for the one row that showed it first.
    `alerted`: the card warned, from `threshold` on. Rows from before tenants have none.
    """

    __tablename__ = "assessment"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str | None] = mapped_column(String(36), unique=True)
    tenant: Mapped[str | None] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    hook: Mapped[str] = mapped_column(String(32))
    hook_instance: Mapped[str] = mapped_column(String(255))
    service_id: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[str | None] = mapped_column(String(255))
    patient_id: Mapped[str] = mapped_column(String(255), index=True)
    encounter_id: Mapped[str | None] = mapped_column(String(255), index=True)
    card_uuid: Mapped[str | None] = mapped_column(String(36), index=True)
    first_showing: Mapped[bool | None]
    silent: Mapped[bool | None]
    alerted: Mapped[bool | None]
    threshold: Mapped[float | None]
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    probability: Mapped[float | None]
    lace_points: Mapped[int | None]
    hospital_points: Mapped[int | None]
    known_inputs: Mapped[int | None]
    timing: Mapped[str | None] = mapped_column(String(32))
    prediction_time: Mapped[datetime | None] = mapped_column(Moment)
    profile: Mapped[str | None] = mapped_column(String(64))
    bundle_digest: Mapped[str] = mapped_column(String(64))
    mapping_digest: Mapped[str] = mapped_column(String(64))
    vector_digest: Mapped[str | None] = mapped_column(String(64))
    duration_ms: Mapped[float]


class FeedbackRow(Base):
    """One entry of a feedback call (CDS Hooks 2.0, Feedback), as received. Written once.

    `assessment_uuid` None: no card of that tenant and service has this uuid (quarantined).
    `accepted_suggestions`: their ids, a JSON array. A comment lies in `sealed` under `uuid`.
    """

    __tablename__ = "feedback"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    received_at: Mapped[datetime] = mapped_column(Moment)
    service_id: Mapped[str] = mapped_column(String(64))
    card_uuid: Mapped[str] = mapped_column(String(255), index=True)
    assessment_uuid: Mapped[str | None] = mapped_column(String(36), index=True)
    outcome: Mapped[str] = mapped_column(String(16))
    accepted_suggestions: Mapped[str | None] = mapped_column(Text)
    reason_system: Mapped[str | None] = mapped_column(String(255))
    reason_code: Mapped[str | None] = mapped_column(String(255))
    commented: Mapped[bool]
    outcome_at: Mapped[datetime] = mapped_column(Moment)


class SealedRow(Base):
    """What may be purged: inputs, evidence and card of an assessment, or a feedback's comment.

    Encrypted with a key of its own, which is itself encrypted with a storage key. `subject` is
    the uuid of the row it belongs to.
    """

    __tablename__ = "sealed"

    subject: Mapped[str] = mapped_column(String(36), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    created_at: Mapped[datetime] = mapped_column(Moment, index=True)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    content: Mapped[bytes] = mapped_column(LargeBinary)


class AuditRow(Base):
    """One link of a tenant's chain: `digest` stands for the row `subject` that it speaks of.

    `hash` covers all other columns and `previous`, the hash before it.
    """

    __tablename__ = "audit"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Moment)
    kind: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(36), index=True)
    digest: Mapped[str] = mapped_column(String(64))
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """The last link of each chain, locked while the next one is written."""

    __tablename__ = "audit_head"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class SpentTokenRow(Base):
    """A client token that was used, by the digest of its issuer and jti, until it expires."""

    __tablename__ = "spent_token"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(Moment, index=True)


ASSESSMENT = cast("Table", AssessmentRow.__table__)
FEEDBACK = cast("Table", FeedbackRow.__table__)
SEALED = cast("Table", SealedRow.__table__)
AUDIT = cast("Table", AuditRow.__table__)
AUDIT_HEAD = cast("Table", AuditHeadRow.__table__)
SPENT_TOKEN = cast("Table", SpentTokenRow.__table__)
