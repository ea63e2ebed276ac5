"""Moving an example in time: whole days, every full date, nothing else."""

from datetime import date, timedelta

import pytest

from cds_service.web.redate import admitted_days_ago, moved_by

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("2026-11-16", "2026-11-17"),
        ("2026-12-31T23:59:00-05:00", "2027-01-01T23:59:00-05:00"),
        ("2028-02-28T10:00:00.123Z", "2028-02-29T10:00:00.123Z"),
        ("2026-11", "2026-11"),
        ("1955", "1955"),
        ("seen on 2026-11-16", "seen on 2026-11-16"),
        ("2026-11-16 was a Monday", "2026-11-16 was a Monday"),
        (20261116, 20261116),
        (None, None),
        ({"a": ["2026-11-16", {"b": "2026-11-16"}]}, {"a": ["2026-11-17", {"b": "2026-11-17"}]}),
    ],
)
def test_full_dates_move_and_nothing_else(before: object, after: object) -> None:
    assert moved_by(before, DAY) == after


def test_admission_lands_on_the_wanted_day() -> None:
    period = {"period": {"start": "2026-11-16T19:20:00-05:00"}}
    request = {"prefetch": {"encounter": period, "patient": {"birthDate": "1955-05-17"}}}
    moved = admitted_days_ago(request, 3, date(2026, 11, 21))
    assert moved["prefetch"]["encounter"]["period"]["start"] == "2026-11-18T19:20:00-05:00"
    assert moved["prefetch"]["patient"]["birthDate"] == "1955-05-19"
