"""Earlier ED visits and admissions, at the edges of the windows; lengths of the present ones."""

from datetime import timedelta

import pytest

from tests.spec.record import Resource, ed_visit, moment, stay, value, vector, visit


def hospital(start: str | None, end: str | None = None, id_: str = "h", **more: str) -> Resource:
    return visit(id_, more.pop("class_", "IMP"), start, end or start, **more)


# T0 is 03-10 08:00 with the ED visit; 30 days before it is 02-09, 90 days 2023-12-11,
# 365 days 2023-03-11.
@pytest.mark.parametrize(
    ("start", "in_30", "in_90", "in_365"),
    [
        ("03-10 07:59:59", 1, 1, 1),
        ("03-10 08:00", 0, 0, 0),
        ("03-10 08:00:01", 0, 0, 0),
        ("02-09 08:00", 1, 1, 1),
        ("02-09 07:59:59", 0, 1, 1),
        ("2023-12-11T08:00:00Z", 0, 1, 1),
        ("2023-12-11T07:59:59Z", 0, 0, 1),
        ("2023-03-11T08:00:00Z", 0, 0, 1),
        ("2023-03-11T07:59:59Z", 0, 0, 0),
        ("2023-03-11T02:00:00-06:00", 0, 0, 1),
    ],
)
def test_a_visit_counts_from_the_start_of_the_window_until_before_t0(
    start: str, in_30: float, in_90: float, in_365: float
) -> None:
    admissions = vector(ed_visit(), hospital(start))
    assert [admissions[f"n_hosp_{days}d"] for days in (30, 90, 365)] == [in_30, in_90, in_365]
    if "03-10" not in start:  # else it would be a part of the index ED visit
        visits = vector(ed_visit(), ed_visit(start, start, "earlier"))
        assert [visits[f"n_ed_{days}d"] for days in (30, 90, 365)] == [in_30, in_90, in_365]


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([hospital("03-01 00:00")], 1, id="one"),
        pytest.param([hospital("03-01 00:00"), hospital("03-04 00:00", id_="i")], 2, id="two"),
        pytest.param([hospital("03-01 00:00", "03-20 00:00")], 1, id="by its start, not its end"),
        pytest.param([hospital("02-01 00:00", "03-01 00:00")], 0, id="not by its end"),
        pytest.param([hospital("03-01 00:00", class_="OBSENC")], 1, id="observation"),
        pytest.param([hospital("03-01 00:00", class_="SS")], 1, id="same-day surgery"),
        pytest.param([hospital("03-01 00:00", class_="ACUTE")], 1, id="acute inpatient"),
        pytest.param([hospital("03-01 00:00", class_="NONAC")], 1, id="non-acute inpatient"),
        pytest.param([hospital("03-01 00:00", class_="AMB")], 0, id="a clinic visit"),
        pytest.param([hospital("03-01 00:00", class_="HH")], 0, id="home health"),
        pytest.param([hospital("03-01 00:00", class_="EMER")], 0, id="an ED visit"),
        pytest.param([hospital("03-01 00:00", status="planned")], 0, id="planned"),
        pytest.param([hospital("03-01 00:00", status="cancelled")], 0, id="cancelled"),
        pytest.param([hospital("03-01 00:00", status="entered-in-error")], 0, id="in error"),
        pytest.param([hospital("03-01 00:00", status="in-progress")], 1, id="never closed"),
        pytest.param([hospital(None)], 0, id="no time"),
    ],
)
def test_admissions_of_the_past_month(rows: list[Resource], answer: float) -> None:
    assert value("n_hosp_30d", *rows) == answer


def test_the_index_admission_is_left_out_even_where_it_began_before_t0() -> None:
    late = ed_visit("03-10 13:00", "03-10 13:30")
    assert value("n_hosp_30d", late) == 0
    assert value("n_hosp_30d", late, hospital("03-10 12:30")) == 1


def emergency(start: str, end: str | None, id_: str = "e", **more: str) -> Resource:
    return ed_visit(start, end, id_, **more)


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([ed_visit()], 0, id="the index one"),
        pytest.param([emergency("03-01 08:00", "03-01 12:00")], 1, id="one"),
        pytest.param(
            [emergency("03-01 08:00", "03-01 12:00"), emergency("03-04 08:00", None, "f")],
            2,
            id="two",
        ),
        pytest.param(
            [
                emergency("03-01 08:00", "03-01 12:00"),
                emergency("03-01 11:00", "03-01 14:00", "f"),
                emergency("03-01 13:00", "03-01 15:00", "g"),
            ],
            1,
            id="overlapping are one",
        ),
        pytest.param(
            [
                emergency("03-01 08:00", "03-01 12:00"),
                emergency("03-01 12:00", "03-01 14:00", "f"),
            ],
            2,
            id="one after the other are two",
        ),
        pytest.param(
            [
                emergency("02-09 06:00", "02-09 15:00"),
                emergency("02-09 14:00", "02-09 16:00", "f"),
            ],
            0,
            id="overlapping count by their first start",
        ),
        pytest.param(
            [emergency("03-01 08:00", "03-01 12:00", part_of="h"), hospital("03-01 12:00")],
            1,
            id="one that led to an earlier stay",
        ),
        pytest.param(
            [emergency("03-09 08:00", "03-09 12:00", part_of="stay"), ed_visit(part_of="stay")],
            0,
            id="a second one of the index stay",
        ),
        pytest.param([emergency("03-01 08:00", None, status="cancelled")], 0, id="cancelled"),
        pytest.param([emergency("03-01 08:00", None, status="planned")], 0, id="planned"),
        pytest.param([emergency("03-01 08:00", None, class_="AMB")], 0, id="a clinic visit"),
    ],
)
def test_ed_visits_of_the_past_month(rows: list[Resource], answer: float) -> None:
    assert value("n_ed_30d", *rows) == answer


@pytest.mark.parametrize(
    ("row", "hours"),
    [
        ([], 0),
        ([ed_visit()], 4),
        ([ed_visit("03-10 08:00", "03-10 13:30")], 5.5),
        ([ed_visit("03-10 05:00", "03-10 09:00", "a"), ed_visit(id_="b")], 7),
        ([ed_visit("03-10 12:00", "03-10 12:00")], 0),
        ([ed_visit("2024-02-25T00:00:00Z", "03-10 12:00")], None),
        ([ed_visit("03-10 11:30", "03-10 11:00")], None),
        ([ed_visit("03-10 08:00", "03-10 13:00"), stay(end="03-10 12:30")], 4.5),
    ],
    ids=[
        "no ED visit",
        "four",
        "until after admission",
        "two that overlap",
        "none",
        "above 240: implausible",
        "negative: implausible",
        "cut at discharge",
    ],
)
def test_hours_in_the_emergency_department(row: list[Resource], hours: float | None) -> None:
    assert value("ed_los_hours", *row) == hours


def test_later_visits_change_nothing() -> None:
    later = [
        emergency("03-20 08:00", "03-20 12:00"),
        hospital("03-20 12:00", "03-25 12:00"),
        visit("plan", "IMP", "05-01 08:00", status="planned"),
    ]
    assert vector(ed_visit(), *later).digest == vector(ed_visit()).digest


def test_the_same_visit_twice_counts_once() -> None:
    old = hospital("03-01 00:00") | {"meta": {"lastUpdated": "2024-03-02T00:00:00Z"}}
    new = hospital("03-01 00:00") | {"meta": {"lastUpdated": "2024-03-03T00:00:00Z"}}
    assert value("n_hosp_30d", old, new, old) == 1
    assert value("n_hosp_30d", old, new | {"status": "entered-in-error"}) == 0


@pytest.mark.parametrize(
    ("row", "days"),
    [
        (stay(), 5.0),
        (stay("03-10 12:00", "03-10 12:00"), 0.0),
        (stay("03-10 12:00", "03-11 00:00"), 0.5),
        (stay("2023-03-01T12:00:00Z"), 365.0),
        (stay("2022-03-01T12:00:00Z"), None),
    ],
    ids=["five", "none", "half", "longer than a year: clipped", "longer than two: missing"],
)
def test_length_of_stay_is_in_fractional_days(row: Resource, days: float | None) -> None:
    assert value("hosp_los_days", row) == days


def test_length_of_a_stay_in_progress_comes_from_the_clock() -> None:
    row = stay(status="in-progress", end=None)
    now = moment("03-12 18:00")
    assert value("hosp_los_days", row, now=now) == 2.25
    assert value("hosp_los_days", row, now=now + timedelta(days=1)) == 3.25
