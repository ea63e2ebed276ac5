"""Whose ids a row's patient and stay have: the FHIR server that the call was about."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows from before say nothing: NULL, which changes no digest of the chain."""
    op.add_column("assessment", sa.Column("fhir_server", sa.String(255), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("assessment", "fhir_server")
