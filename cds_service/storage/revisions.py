"""Which version of the tables a database has, and which one this code was written for.

Migrations are numbered and only add, so code of an earlier version works on the tables of a later
one: docs/decisions/0025-soak.md.
"""

from functools import cache

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import cds_service.storage.migrations


def is_later(connection: Connection) -> bool:
    """Whether a later version of the service has migrated the tables already."""
    return (_current(connection) or "") > _newest()


def suffices(connection: Connection) -> bool:
    """Whether the tables are this version's, or a later one's."""
    return (_current(connection) or "") >= _newest()


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _newest() -> str:
    (folder,) = cds_service.storage.migrations.__path__
    return ScriptDirectory(folder).get_current_head() or ""
