"""Chance by a seed, and moments around one admission in the many ways FHIR may write them.

Records are made from a seed and not draw by draw: Hypothesis then spreads evenly over them, and a
failure names the seed and the number of events, which it makes small.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any, TypeVar

ADMISSION = datetime(2026, 3, 10, 14, 30, tzinfo=UTC)
OFFSETS = (-720, -480, -300, 0, 60, 330, 345, 840)
Span = tuple[float, float]
Choice = TypeVar("Choice")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)")
_ODD = (
    "0001-01-01T00:00:00Z",
    "9999-12-31",
    "2026-02-30",
    "2026-03-10T24:00:00Z",
    "2026-03-10T14:30:60Z",
    "yesterday",
    "",
    "2026-13",
    "٢٠٢٦-03-10",
)
_LENGTHS = {"date": 10, "zoneless": 19, "month": 7, "year": 4}


class Chance:
    """One source of chance, by its seed."""

    def __init__(self, seed: object) -> None:
        self._random = Random(str(seed))  # noqa: S311 - test records, not secrets

    def one(self, choices: Sequence[Choice]) -> Choice:
        return self._random.choice(choices)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def once_in(self, times: int) -> bool:
        return self._random.randrange(times) == 0

    def some(self, members: Mapping[str, Any], *, always: Sequence[str] = ()) -> dict[str, Any]:
        """Members of a resource, each missing once in sixteen."""
        return {
            name: value for name, value in members.items() if name in always or not self.once_in(16)
        }

    def moment(self, span: Span) -> datetime:
        """So many days before (negative) or after the admission."""
        seconds = self._random.uniform(span[0] * 86_400, span[1] * 86_400)
        return ADMISSION + timedelta(seconds=round(seconds))

    def instant(self, moment: datetime) -> str:
        """A moment as a FHIR instant in any zone."""
        return instant(moment, self.one(OFFSETS))

    def written(self, span: Span) -> str:
        """Mostly an instant, now and then a date, a part of one, or nonsense."""
        moment = self.moment(span)
        if not self.once_in(4):
            return self.instant(moment)
        form = self.one(("odd", *_LENGTHS))
        return self.one(_ODD) if form == "odd" else moment.isoformat()[: _LENGTHS[form]]


def instant(moment: datetime, offset: int = 0) -> str:
    """A moment as a FHIR instant in a zone so many minutes east."""
    return moment.astimezone(timezone(timedelta(minutes=offset))).isoformat()


def respelled(node: Any, offset: int) -> Any:
    """Every instant in a resource written in another zone: the same instants."""
    if isinstance(node, dict):
        return {key: respelled(value, offset) for key, value in node.items()}
    if isinstance(node, list):
        return [respelled(value, offset) for value in node]
    if isinstance(node, str) and _INSTANT.fullmatch(node):
        return _elsewhere(node, offset)
    return node


def _elsewhere(text: str, offset: int) -> str:
    try:
        return instant(datetime.fromisoformat(text), offset)
    except (ValueError, OverflowError):
        return text
