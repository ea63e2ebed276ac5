"""What was sent to FHIR servers that offer no way to look for it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "written_resource",
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("fhir_server", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("place", sa.String(128), nullable=True),
        sa.PrimaryKeyConstraint(
            "tenant", "fhir_server", "kind", "uuid", name="pk_written_resource"
        ),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("written_resource")
