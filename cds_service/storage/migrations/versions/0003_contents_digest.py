"""Rows state what was sealed with them, so that the chain stands for contents too."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = ("assessment", "feedback")


def upgrade() -> None:
    """Add `contents_digest`; rows of before keep their digests, for NULL is left out of them."""
    for name in _TABLES:
        op.add_column(name, sa.Column("contents_digest", sa.String(64), nullable=True))


def downgrade() -> None:
    """Drop it. Chains of rows that had one no longer verify."""
    for name in _TABLES:
        with op.batch_alter_table(name) as table:
            table.drop_column("contents_digest")
