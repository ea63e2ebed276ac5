"""How long to wait before the next request: as the server asks, within reason, or longer each time. Pure."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isnan
from typing import Final

import httpx

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 3600.0
"""Servers have asked for years by mistake."""
_UNASKED_S: Final = 60.0


def wait_s(headers: httpx.Headers, attempt: int, now: datetime) -> float:
    """Seconds to wait. `attempt`: how many requests came before, from 0."""
    asked = _asked(headers, now)
    if asked is None:
        return min(2.0 ** min(attempt, 10), _UNASKED_S)
    return min(max(asked, SHORTEST_S), LONGEST_S)


def _asked(headers: httpx.Headers, now: datetime) -> float | None:
    """Retry-After in seconds, or as a date by the server's own clock where it says what that is."""
    stated = headers.get("retry-after", "").strip()
    try:
        seconds = float(stated)
    except ValueError:
        return _until(stated, headers.get("date", ""), now)
    return None if isnan(seconds) else seconds


def _until(date: str, its_now: str, now: datetime) -> float | None:
    until = moment(date)
    return (until - (moment(its_now) or now)).total_seconds() if until else None


def moment(text: str) -> datetime | None:
    """A date as HTTP headers have it; None where it is none."""
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
