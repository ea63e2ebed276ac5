"""Who accepted or overrode a card on a page of the SMART app."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rows from before say nothing: NULL, which changes no digest of the chain."""
    op.add_column("feedback", sa.Column("user_id", sa.String(255), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("feedback", "user_id")
