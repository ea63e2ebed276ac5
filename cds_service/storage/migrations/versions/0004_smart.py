"""Sign-ins and sessions of the SMART app; views that it refused."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the three tables."""
    op.create_table(
        "smart_launch",
        sa.Column("state_digest", sa.String(64), nullable=False),
        sa.Column("browser_digest", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("state_digest", name="pk_smart_launch"),
    )
    op.create_index("ix_smart_launch_expires_at", "smart_launch", ["expires_at"])
    op.create_table(
        "smart_session",
        sa.Column("id_digest", sa.String(64), nullable=False),
        sa.Column("secret_digest", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("ends_at", _MOMENT, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("renewing_until", _MOMENT, nullable=True),
        sa.Column("wrapped_key", sa.LargeBinary(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id_digest", name="pk_smart_session"),
    )
    op.create_index("ix_smart_session_ends_at", "smart_session", ["ends_at"])
    _refused_view()


def _refused_view() -> None:
    op.create_table(
        "refused_view",
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("assessment_uuid", sa.String(36), nullable=False),
        sa.Column("user_id", sa.String(255), nullable=True),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("uuid", name="pk_refused_view"),
    )
    for column in ("tenant", "assessment_uuid"):
        op.create_index(f"ix_refused_view_{column}", "refused_view", [column])


def downgrade() -> None:
    """Drop them. Links of refused views stay in the chains and find no row."""
    for name in ("refused_view", "smart_session", "smart_launch"):
        op.drop_table(name)
