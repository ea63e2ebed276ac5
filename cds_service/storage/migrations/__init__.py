"""Alembic migrations of the assessment store, from the first table on."""
