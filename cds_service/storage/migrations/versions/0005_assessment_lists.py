"""Lists of assessments: of a patient, of a stay, of a day."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_assessment_of_patient": ["tenant", "patient_id", "id"],
    "ix_assessment_of_stay": ["tenant", "service_id", "encounter_id", "id"],
    "ix_assessment_of_day": ["tenant", "service_id", "created_at"],
}


def upgrade() -> None:
    """Index what the read API and the worklist look for."""
    for name, columns in _INDEXES.items():
        op.create_index(name, "assessment", columns)


def downgrade() -> None:
    """Drop them."""
    for name in _INDEXES:
        op.drop_index(name, "assessment")
