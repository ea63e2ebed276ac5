"""Types of columns that come back as they were given, whatever the database makes of them."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, Double, TypeDecorator


class Moment(TypeDecorator[datetime]):
    """A moment, aware, UTC on the way in and out: SQLite itself keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses a time without a zone: which moment it is would be a guess."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment needs its zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """SQLite's come without their zone, which is UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


class Real(TypeDecorator[float]):
    """A float, also as SQLite's RETURNING has it: there 10.0 comes back as the integer 10, and a row
    that was digested so would later pass for changed."""

    impl = Double
    cache_ok = True

    def process_result_value(self, value: float | None, dialect: Dialect) -> float | None:
        """What was written, whichever statement asks."""
        return None if value is None else float(value)
