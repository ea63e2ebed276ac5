"""Tenants, opaque ids, feedback, sealed contents, the audit chain, spent tokens."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_ADDED: tuple[tuple[str, sa.types.TypeEngine[Any]], ...] = (
    ("uuid", sa.String(36)),
    ("tenant", sa.String(64)),
    ("user_id", sa.String(255)),
    ("first_showing", sa.Boolean()),
    ("silent", sa.Boolean()),
    ("alerted", sa.Boolean()),
    ("threshold", sa.Double()),
)
_INDEXED = ("tenant", "created_at")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Extend `assessment`; create the others."""
    with op.batch_alter_table("assessment") as table:
        for name, kind in _ADDED:
            table.add_column(sa.Column(name, kind, nullable=True))
        table.alter_column("card_uuid", existing_type=sa.String(36), nullable=True)
        table.create_unique_constraint("uq_assessment_uuid", ["uuid"])
        for name in _INDEXED:
            table.create_index(f"ix_assessment_{name}", [name])
    _feedback()
    _sealed()
    _audit()
    op.create_table(
        "spent_token",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_spent_token"),
    )
    op.create_index("ix_spent_token_expires_at", "spent_token", ["expires_at"])


def _feedback() -> None:
    op.create_table(
        "feedback",
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("received_at", _MOMENT, nullable=False),
        sa.Column("service_id", sa.String(64), nullable=False),
        sa.Column("card_uuid", sa.String(255), nullable=False),
        sa.Column("assessment_uuid", sa.String(36), nullable=True),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("accepted_suggestions", sa.Text(), nullable=True),
        sa.Column("reason_system", sa.String(255), nullable=True),
        sa.Column("reason_code", sa.String(255), nullable=True),
        sa.Column("commented", sa.Boolean(), nullable=False),
        sa.Column("outcome_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_feedback"),
    )
    for column in ("tenant", "card_uuid", "assessment_uuid"):
        op.create_index(f"ix_feedback_{column}", "feedback", [column])


def _sealed() -> None:
    op.create_table(
        "sealed",
        sa.Column("subject", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_sealed"),
    )
    for column in ("tenant", "created_at"):
        op.create_index(f"ix_sealed_{column}", "sealed", [column])


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(36), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "number", name="pk_audit"),
    )
    op.create_index("ix_audit_subject", "audit", ["subject"])
    op.create_table(
        "audit_head",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("tenant", name="pk_audit_head"),
    )


def downgrade() -> None:
    """Drop what `upgrade` made. Rows without a card have no place in the earlier table."""
    for name in ("spent_token", "audit_head", "audit", "sealed", "feedback"):
        op.drop_table(name)
    op.execute("DELETE FROM assessment WHERE card_uuid IS NULL")
    with op.batch_alter_table("assessment") as table:
        for name in _INDEXED:
            table.drop_index(f"ix_assessment_{name}")
        table.drop_constraint("uq_assessment_uuid", type_="unique")
        table.alter_column("card_uuid", existing_type=sa.String(36), nullable=False)
        for name, _ in reversed(_ADDED):
            table.drop_column(name)
