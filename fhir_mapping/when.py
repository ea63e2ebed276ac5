"""Times as FHIR writes them, made comparable. Not windows (windows.py) and no clock.

The one rule for zone-less and partial dates (FHIR R4 datatypes, dateTime):
a time without a zone is read in the site profile's time zone; a date without a time stands for
that local day and is compared by date; a month or a year stands for its last day, so that
nothing counts as history which may have come later.
"""

import calendar
import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache

import msgspec

_FORM = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d:\d\d(?::\d\d(?:\.\d+)?)?)(Z|[+-]\d\d:\d\d)?)?)?)?"
)
_TICK = timedelta(microseconds=1)
_YEARS = range(1000, 9000)
"""Outside, a date is a placeholder such as 0001-01-01 or 9999-12-31: it says nothing."""
_USUAL_LENGTH = 40
"""What is longer is not remembered: whoever sends it could fill the memory."""


class When(msgspec.Struct, frozen=True, gc=False):
    """An instant, or the day it is known to lie in. Aware UTC datetimes; `earliest <= latest`.

    `offset` is the zone offset as written, None where there was none.
    """

    earliest: datetime
    latest: datetime
    zoneless: bool = False
    offset: timedelta | None = None

    @property
    def dated(self) -> bool:
        """True where only the day is known."""
        return self.earliest != self.latest

    def before(self, moment: datetime) -> bool:
        """Strictly before `moment`; by date where only the day is known."""
        return self.latest < moment

    def by(self, moment: datetime) -> bool:
        """At or before `moment`; by date where only the day is known."""
        return self.earliest <= moment

    def since(self, moment: datetime) -> bool:
        """At or after `moment`; by date where only the day is known."""
        return self.latest >= moment


def parse_when(text: str, zone: tzinfo) -> When | None:
    """Read a FHIR date, dateTime or instant; None where it is not one."""
    return (_remembered if len(text) <= _USUAL_LENGTH else _parsed)(text, zone)


def _parsed(text: str, zone: tzinfo) -> When | None:
    found = _FORM.fullmatch(text)
    if not found or int(found[1]) not in _YEARS:
        return None
    clock, offset = found[4], found[5]
    try:
        if clock is None:
            return _day(found, zone)
        return _instant(text, offset, zone)
    except (ValueError, OverflowError):
        return None


_remembered = lru_cache(maxsize=4096)(_parsed)
"""The times of one record repeat: what was drawn together, or issued as it was measured."""


def sortable(text: str) -> str:
    """An instant, in whatever zone it is written, as text that sorts by time; else empty."""
    when = parse_when(text, UTC)
    return when.earliest.isoformat(timespec="microseconds") if when else ""


def exactly(moment: datetime) -> When:
    """The When of a known instant."""
    utc = moment.astimezone(UTC)
    return When(utc, utc)


def _instant(text: str, offset: str | None, zone: tzinfo) -> When:
    moment = datetime.fromisoformat(text)
    if offset is None:
        utc = moment.replace(tzinfo=zone).astimezone(UTC)
        return When(utc, utc, zoneless=True)
    utc = moment.astimezone(UTC)
    return When(utc, utc, offset=moment.utcoffset())


def _day(found: re.Match[str], zone: tzinfo) -> When:
    year = int(found[1])
    month = int(found[2] or 12)
    day = int(found[3] or calendar.monthrange(year, month)[1])
    today = date(year, month, day)
    start, end = (
        datetime.combine(edge, time(), zone).astimezone(UTC)
        for edge in (today, today + timedelta(days=1))
    )
    return When(start, end - _TICK)
