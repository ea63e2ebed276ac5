"""The first table: one row for each answered hook call."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_INDEXED = ("patient_id", "encounter_id", "card_uuid")


def upgrade() -> None:
    """Create `assessment`."""
    op.create_table(
        "assessment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hook", sa.String(32), nullable=False),
        sa.Column("hook_instance", sa.String(255), nullable=False),
        sa.Column("service_id", sa.String(64), nullable=False),
        sa.Column("patient_id", sa.String(255), nullable=False),
        sa.Column("encounter_id", sa.String(255), nullable=True),
        sa.Column("card_uuid", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("reason", sa.String(64), nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("lace_points", sa.Integer(), nullable=True),
        sa.Column("hospital_points", sa.Integer(), nullable=True),
        sa.Column("known_inputs", sa.Integer(), nullable=True),
        sa.Column("timing", sa.String(32), nullable=True),
        sa.Column("prediction_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("profile", sa.String(64), nullable=True),
        sa.Column("bundle_digest", sa.String(64), nullable=False),
        sa.Column("mapping_digest", sa.String(64), nullable=False),
        sa.Column("vector_digest", sa.String(64), nullable=True),
        sa.Column("duration_ms", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_assessment"),
    )
    for column in _INDEXED:
        op.create_index(f"ix_assessment_{column}", "assessment", [column])


def downgrade() -> None:
    """Drop `assessment`."""
    op.drop_table("assessment")
