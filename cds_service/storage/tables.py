"""The tables. An assessment's row holds ids, digests and results: no value of the record."""

from datetime import datetime

from sqlalchemy import DateTime, MetaData, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_name)s"}


class Base(DeclarativeBase):
    """All tables of the service; constraint names are fixed so that migrations can speak of them."""

    metadata = MetaData(naming_convention=_NAMES)


class AssessmentRow(Base):
    """One answered hook call. Times are aware UTC; digests SHA-256 in hexadecimal."""

    __tablename__ = "assessment"

    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    hook: Mapped[str] = mapped_column(String(32))
    hook_instance: Mapped[str] = mapped_column(String(255))
    service_id: Mapped[str] = mapped_column(String(64))
    patient_id: Mapped[str] = mapped_column(String(255), index=True)
    encounter_id: Mapped[str | None] = mapped_column(String(255), index=True)
    card_uuid: Mapped[str] = mapped_column(String(36), index=True)
    outcome: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(String(64))
    probability: Mapped[float | None]
    lace_points: Mapped[int | None]
    hospital_points: Mapped[int | None]
    known_inputs: Mapped[int | None]
    timing: Mapped[str | None] = mapped_column(String(32))
    prediction_time: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    profile: Mapped[str | None] = mapped_column(String(64))
    bundle_digest: Mapped[str] = mapped_column(String(64))
    mapping_digest: Mapped[str] = mapped_column(String(64))
    vector_digest: Mapped[str | None] = mapped_column(String(64))
    duration_ms: Mapped[float]
