"""The tables. What is chained and kept holds ids, digests and results; values of the record lie
encrypted in `sealed`, and can be purged. Times are aware UTC, digests SHA-256 in hexadecimal."""

from datetime import datetime
from typing import ClassVar, cast

from sqlalchemy import (
    BigInteger,
    Index,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from cds_service.storage.columns import Moment, Real

_NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ix": "ix_%(table_name)s_%(column_0_name)s",
}


class Base(DeclarativeBase):
    """All tables of the service; constraint names are fixed so that migrations can speak of them."""

    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map: ClassVar = {float: Real}


class AssessmentRow(Base):
    """One answered hook call, or one stay of a batch or of the SMART app. Written once, never changed."""

    __tablename__ = "assessment"
    __table_args__ = (
        Index("ix_assessment_of_patient", "tenant", "patient_id", "id"),
        Index("ix_assessment_of_stay", "tenant", "service_id", "encounter_id", "id"),
        Index("ix_assessment_of_day", "tenant", "service_id", "created_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, doc="order of writing")
    uuid: Mapped[str | None] = mapped_column(
        String(36), unique=True, doc="the id that leaves the service: opaque, in links and exports"
    )
    tenant: Mapped[str | None] = mapped_column(
        String(64), index=True, doc="whose it is; NULL: from before tenants"
    )
    created_at: Mapped[datetime] = mapped_column(
        Moment, index=True, doc="when the call was received"
    )
    hook: Mapped[str] = mapped_column(String(32), doc="the hook that was called, batch or smart")
    hook_instance: Mapped[str] = mapped_column(String(255), doc="the client's id of it, or the run")
    service_id: Mapped[str] = mapped_column(String(64), doc="the service that was called")
    user_id: Mapped[str | None] = mapped_column(
        String(255), doc="the client's user, such as Practitioner/17"
    )
    fhir_server: Mapped[str | None] = mapped_column(
        String(255),
        doc="the tenant's FHIR server whose ids patient and stay have; NULL: not known",
    )
    patient_id: Mapped[str] = mapped_column(
        String(255), index=True, doc="the client's id of the patient"
    )
    encounter_id: Mapped[str | None] = mapped_column(
        String(255), index=True, doc="the client's id of the stay; NULL: none was found"
    )
    card_uuid: Mapped[str | None] = mapped_column(
        String(36), index=True, doc="the card; NULL: none was made"
    )
    first_showing: Mapped[bool | None] = mapped_column(doc="whether this row showed the card first")
    silent: Mapped[bool | None] = mapped_column(
        doc="whether the tenant was silent, so that nothing was shown"
    )
    alerted: Mapped[bool | None] = mapped_column(doc="whether the card warned")
    threshold: Mapped[float | None] = mapped_column(doc="the probability from which it warns")
    outcome: Mapped[str] = mapped_column(String(16), doc="scored or not_scored")
    reason: Mapped[str | None] = mapped_column(String(64), doc="why not, as a code")
    probability: Mapped[float | None] = mapped_column(
        doc="of the bundle's outcome; NULL: the bundle gives points only"
    )
    lace_points: Mapped[int | None] = mapped_column(doc="LACE, where it could be counted")
    hospital_points: Mapped[int | None] = mapped_column(doc="HOSPITAL, where it could be counted")
    known_inputs: Mapped[int | None] = mapped_column(
        doc="how many of the bundle's inputs were known"
    )
    timing: Mapped[str | None] = mapped_column(String(32), doc="where in the stay it was made")
    prediction_time: Mapped[datetime | None] = mapped_column(
        Moment, doc="up to when anything may be known"
    )
    profile: Mapped[str | None] = mapped_column(
        String(64), doc="the site profile that read the record"
    )
    bundle_digest: Mapped[str] = mapped_column(String(64), doc="SHA-256 of the bundle's manifest")
    mapping_digest: Mapped[str] = mapped_column(
        String(64), doc="SHA-256 of the catalogue and its code lists"
    )
    vector_digest: Mapped[str | None] = mapped_column(String(64), doc="SHA-256 of the 105 values")
    contents_digest: Mapped[str | None] = mapped_column(
        String(64), doc="SHA-256 of what is sealed; NULL: from before it was kept"
    )
    duration_ms: Mapped[float] = mapped_column(doc="how long it took; 0 of a stay of a batch")


class FeedbackRow(Base):
    """One entry of a feedback call (CDS Hooks 2.0, Feedback), as received. Written once.

    Without an assessment it is quarantined. A comment lies in `sealed`.
    """

    __tablename__ = "feedback"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True, doc="the entry's id")
    tenant: Mapped[str] = mapped_column(String(64), index=True, doc="whose it is")
    received_at: Mapped[datetime] = mapped_column(Moment, doc="when it was received")
    service_id: Mapped[str] = mapped_column(String(64), doc="the service it was sent to")
    card_uuid: Mapped[str] = mapped_column(
        String(255), index=True, doc="the card, as the client names it"
    )
    assessment_uuid: Mapped[str | None] = mapped_column(
        String(36), index=True, doc="the assessment that showed it; NULL: no such card"
    )
    outcome: Mapped[str] = mapped_column(String(16), doc="accepted or overridden")
    accepted_suggestions: Mapped[str | None] = mapped_column(Text, doc="their ids, a JSON array")
    reason_system: Mapped[str | None] = mapped_column(
        String(255), doc="code system of the override reason"
    )
    reason_code: Mapped[str | None] = mapped_column(String(255), doc="the override reason")
    commented: Mapped[bool] = mapped_column(doc="whether a comment came with it")
    contents_digest: Mapped[str | None] = mapped_column(
        String(64), doc="SHA-256 of the sealed comment; NULL: none, or from before it was kept"
    )
    outcome_at: Mapped[datetime] = mapped_column(
        Moment, doc="when the user decided, as the client says"
    )
    user_id: Mapped[str | None] = mapped_column(
        String(255), doc="who answered on a page of the app; NULL: a client does not say"
    )


class SealedRow(Base):
    """What may be purged: inputs, evidence and card of an assessment, or a feedback's comment."""

    __tablename__ = "sealed"

    subject: Mapped[str] = mapped_column(
        String(36), primary_key=True, doc="uuid of the row it belongs to"
    )
    tenant: Mapped[str] = mapped_column(String(64), index=True, doc="whose it is")
    created_at: Mapped[datetime] = mapped_column(
        Moment, index=True, doc="when it was stored; retention counts from here"
    )
    wrapped_key: Mapped[bytes] = mapped_column(
        LargeBinary, doc="this record's own key, under a storage key"
    )
    content: Mapped[bytes] = mapped_column(
        LargeBinary, doc="the contents, compressed, under that key"
    )


class AuditRow(Base):
    """One link of a tenant's chain: it stands for the row that it speaks of."""

    __tablename__ = "audit"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True, doc="whose chain")
    number: Mapped[int] = mapped_column(
        BigInteger, primary_key=True, autoincrement=False, doc="1, 2, 3 and so on, without a gap"
    )
    at: Mapped[datetime] = mapped_column(Moment, doc="when what it speaks of happened")
    kind: Mapped[str] = mapped_column(String(16), doc="assessed, feedback, purged or refused")
    subject: Mapped[str] = mapped_column(String(36), index=True, doc="uuid of the row it speaks of")
    digest: Mapped[str] = mapped_column(
        String(64), doc="SHA-256 of that row; of a purge: of what was removed"
    )
    previous: Mapped[str] = mapped_column(
        String(64), doc="the hash before it; 64 zeros before the first"
    )
    hash: Mapped[str] = mapped_column(String(64), doc="SHA-256 of all columns before")


class AuditHeadRow(Base):
    """The last link of each chain, locked while the next one is written."""

    __tablename__ = "audit_head"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True, doc="whose chain")
    number: Mapped[int] = mapped_column(BigInteger, doc="number of the last link")
    hash: Mapped[str] = mapped_column(String(64), doc="its hash")


class SpentTokenRow(Base):
    """A client token that was used, by the digest of its issuer and jti, until it expires."""

    __tablename__ = "spent_token"

    digest: Mapped[str] = mapped_column(
        String(64), primary_key=True, doc="SHA-256 of issuer and jti"
    )
    expires_at: Mapped[datetime] = mapped_column(
        Moment, index=True, doc="from then on the token is refused anyway"
    )


class RefusedViewRow(Base):
    """An assessment that a user of the SMART app asked for and was not shown. Written once."""

    __tablename__ = "refused_view"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True, doc="the entry's id")
    tenant: Mapped[str] = mapped_column(String(64), index=True, doc="whose user it was")
    at: Mapped[datetime] = mapped_column(Moment, doc="when it was refused")
    assessment_uuid: Mapped[str] = mapped_column(
        String(36), index=True, doc="the assessment that was asked for, which may be no one's"
    )
    user_id: Mapped[str | None] = mapped_column(
        String(255), doc="who asked, as the authorization server says; NULL: it does not"
    )
    reason: Mapped[str] = mapped_column(String(32), doc="why it was not shown, as a code")


ASSESSMENT = cast("Table", AssessmentRow.__table__)
FEEDBACK = cast("Table", FeedbackRow.__table__)
SEALED = cast("Table", SealedRow.__table__)
AUDIT = cast("Table", AuditRow.__table__)
AUDIT_HEAD = cast("Table", AuditHeadRow.__table__)
SPENT_TOKEN = cast("Table", SpentTokenRow.__table__)
REFUSED_VIEW = cast("Table", RefusedViewRow.__table__)
