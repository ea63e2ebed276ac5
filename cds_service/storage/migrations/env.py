"""Alembic's entry: migrate on the connection it is given. The URL is the service's, not Alembic's."""

from alembic import context

from cds_service.storage.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
