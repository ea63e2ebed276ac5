"""Moves an example in time by whole days, so that a stay in progress is of today. Pure: the day is an argument."""

import re
from datetime import date, timedelta
from typing import Any

_FHIR_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}.*)?")


def admitted_days_ago(request: dict[str, Any], days: int, today: date) -> dict[str, Any]:
    """The hook request with all its dates moved so that its stay began `days` before `today`."""
    moved: dict[str, Any] = moved_by(request, shift_to(request, days, today))
    return moved


def shift_to(request: dict[str, Any], days: int, today: date) -> timedelta:
    """By how much a request's stay has to be moved to begin `days` before `today`."""
    start = request["prefetch"]["encounter"]["period"]["start"]
    return today - timedelta(days=days) - _day(start)


def moved_by(value: Any, shift: timedelta) -> Any:
    """`value` with every FHIR date, dateTime and instant in it moved; times of day and offsets stay.

    Partial dates (a year, a month) stay: they cannot be moved by days.
    """
    if isinstance(value, dict):
        return {key: moved_by(each, shift) for key, each in value.items()}
    if isinstance(value, list):
        return [moved_by(each, shift) for each in value]
    if isinstance(value, str) and _FHIR_DATE.fullmatch(value):
        return (_day(value) + shift).isoformat() + value[10:]
    return value


def _day(value: str) -> date:
    return date.fromisoformat(value[:10])
