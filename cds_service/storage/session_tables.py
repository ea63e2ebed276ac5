"""The tables of the SMART app's sign-ins and sessions; nothing of them is chained, all of it ends."""

from datetime import datetime
from typing import cast

from sqlalchemy import LargeBinary, String, Table
from sqlalchemy.orm import Mapped, mapped_column

from cds_service.storage.columns import Moment
from cds_service.storage.tables import Base


class SmartLaunchRow(Base):
    """A sign-in to the SMART app that has begun, until the browser comes back. Used once."""

    __tablename__ = "smart_launch"

    state_digest: Mapped[str] = mapped_column(
        String(64), primary_key=True, doc="SHA-256 of the `state` parameter"
    )
    browser_digest: Mapped[str] = mapped_column(
        String(64), doc="SHA-256 of the cookie that its browser was given"
    )
    tenant: Mapped[str] = mapped_column(String(64), doc="whose it is")
    expires_at: Mapped[datetime] = mapped_column(
        Moment, index=True, doc="from then on it is refused, and deleted"
    )
    wrapped_key: Mapped[bytes] = mapped_column(
        LargeBinary, doc="this record's own key, under a storage key"
    )
    content: Mapped[bytes] = mapped_column(
        LargeBinary, doc="server, verifier and nonce, under that key"
    )


class SmartSessionRow(Base):
    """Somebody using the SMART app, from signing in to signing out or the end of its time."""

    __tablename__ = "smart_session"

    id_digest: Mapped[str] = mapped_column(
        String(64), primary_key=True, doc="SHA-256 of the id in its addresses"
    )
    secret_digest: Mapped[str] = mapped_column(
        String(64), doc="SHA-256 of the cookie that its browser has"
    )
    tenant: Mapped[str] = mapped_column(String(64), doc="whose it is")
    created_at: Mapped[datetime] = mapped_column(Moment, doc="when the user signed in")
    ends_at: Mapped[datetime] = mapped_column(
        Moment, index=True, doc="from then on it is refused, and deleted; use puts it off"
    )
    generation: Mapped[int] = mapped_column(doc="how often its tokens were replaced")
    renewing_until: Mapped[datetime | None] = mapped_column(
        Moment, doc="while a worker replaces its tokens; NULL: none does"
    )
    wrapped_key: Mapped[bytes] = mapped_column(
        LargeBinary, doc="this record's own key, under a storage key"
    )
    content: Mapped[bytes] = mapped_column(
        LargeBinary, doc="patient, user, tokens and what they allow, under that key"
    )


SMART_LAUNCH = cast("Table", SmartLaunchRow.__table__)
SMART_SESSION = cast("Table", SmartSessionRow.__table__)
