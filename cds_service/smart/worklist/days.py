"""Which day a worklist is of, by the site's own clock. Pure."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FIRST, _LAST = date(2000, 1, 1), date(2100, 1, 1)


def day_of(said: str | None, *, now: datetime, zone: ZoneInfo) -> date:
    """The day that was chosen; today where it is none."""
    today = now.astimezone(zone).date()
    try:
        chosen = date.fromisoformat(said) if said else today
    except ValueError:
        return today
    return chosen if _FIRST <= chosen <= _LAST else today


def bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Its midnights, 23 to 25 hours apart; the second belongs to the next day."""
    start, end = (
        datetime.combine(each, time(), zone).astimezone(UTC) for each in (day, day + timedelta(1))
    )
    return start, end
