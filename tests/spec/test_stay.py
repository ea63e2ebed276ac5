"""The index stay and its clock: T0, the ED visit that led into it, prediction time, timing."""

from typing import Any

import pytest

from fhir_mapping.history import IndexStay, NoStay
from fhir_mapping.stay import finished_stays, open_visits
from tests.spec.record import (
    NOW,
    Resource,
    ed_visit,
    history,
    issue_codes,
    moment,
    stay,
    stay_of,
    value,
    vector,
    visit,
)


def found(*rows: Resource, **options: Any) -> IndexStay:
    answer = stay_of(*rows, **options)
    assert isinstance(answer, IndexStay), answer
    return answer


# The stay is admitted 03-10 12:00 and discharged 03-15 12:00.
@pytest.mark.parametrize(
    ("rows", "t0"),
    [
        pytest.param([], "03-10 12:00", id="no ED visit: admission"),
        pytest.param([ed_visit("03-10 08:00", "03-10 12:00")], "03-10 08:00", id="ends then"),
        pytest.param([ed_visit("03-10 02:00", "03-10 06:00")], "03-10 02:00", id="ends 6 h before"),
        pytest.param([ed_visit("03-10 02:00", "03-10 05:59")], "03-10 12:00", id="6 h 1 min"),
        pytest.param([ed_visit("03-10 08:00", "03-10 14:00")], "03-10 08:00", id="ends 2 h after"),
        pytest.param([ed_visit("03-10 08:00", "03-10 14:01")], "03-10 12:00", id="2 h 1 min"),
        pytest.param([ed_visit("03-10 12:30", "03-10 13:30")], "03-10 12:30", id="starts after"),
        pytest.param([ed_visit("03-10 08:00", None)], "03-10 12:00", id="no end, not tied"),
        pytest.param(
            [ed_visit("03-09 08:00", "03-09 12:00", part_of="stay")], "03-09 08:00", id="tied"
        ),
        pytest.param(
            [ed_visit("03-09 08:00", "03-09 12:00"), stay(part_of="ed")],
            "03-09 08:00",
            id="tied the other way",
        ),
        pytest.param(
            [ed_visit("03-09 08:00", "03-09 12:00", part_of="stay"), ed_visit(id_="near")],
            "03-09 08:00",
            id="a tie wins over nearness",
        ),
        pytest.param(
            [ed_visit("03-10 07:00", "03-10 07:30", "a"), ed_visit("03-10 08:00", id_="b")],
            "03-10 08:00",
            id="of two apart the nearest",
        ),
        pytest.param(
            [ed_visit("03-10 05:00", "03-10 08:30", "a"), ed_visit("03-10 08:00", id_="b")],
            "03-10 05:00",
            id="overlapping are one",
        ),
        pytest.param(
            [ed_visit("03-10 05:00", "03-10 08:00", "a"), ed_visit("03-10 08:00", id_="b")],
            "03-10 05:00",
            id="touching are one",
        ),
        pytest.param(
            [
                ed_visit("03-09 22:00", "03-10 01:00", "a"),
                ed_visit("03-10 01:00", "03-10 08:00", "b"),
                ed_visit("03-10 07:00", id_="c"),
            ],
            "03-09 22:00",
            id="a chain is one",
        ),
        pytest.param(
            [ed_visit(), ed_visit("2019-01-01T00:00:00Z", None, "forgotten")],
            "03-10 08:00",
            id="one without end, years ago, is not the same visit",
        ),
        pytest.param(
            [ed_visit("2019-01-01T00:00:00Z", "2019-01-01T05:00:00Z", "")],
            "03-10 12:00",
            id="no id is no tie",
        ),
        pytest.param([ed_visit(status="cancelled")], "03-10 12:00", id="cancelled"),
        pytest.param([ed_visit(status="entered-in-error")], "03-10 12:00", id="in error"),
        pytest.param([ed_visit(status="planned")], "03-10 12:00", id="planned"),
        pytest.param([ed_visit(class_="AMB")], "03-10 12:00", id="a clinic visit"),
        pytest.param([ed_visit("2024-03-10", "2024-03-10")], "03-10 00:00", id="by date only"),
    ],
)
def test_t0_is_the_start_of_the_index_ed_visit_else_of_the_admission(
    rows: list[Resource], t0: str
) -> None:
    assert found(*rows).t0 == moment(t0)


@pytest.mark.parametrize(
    ("rows", "start", "end"),
    [
        ([ed_visit()], "03-10 08:00", "03-10 12:00"),
        (
            [ed_visit("03-10 05:00", "03-10 08:30", "a"), ed_visit("03-10 08:00", id_="b")],
            "03-10 05:00",
            "03-10 12:00",
        ),
        (
            [
                ed_visit(),
                ed_visit("03-10 11:00", "03-10 15:00", "b"),
                ed_visit("03-10 14:00", "03-10 16:00", "c"),
            ],
            "03-10 08:00",
            "03-10 16:00",
        ),
        (
            [ed_visit("03-10 08:00", "03-10 09:00"), ed_visit("03-10 09:00", "03-10 15:00", "b")],
            "03-10 08:00",
            "03-10 15:00",
        ),
        ([ed_visit(), ed_visit("03-10 09:00", None, "b")], "03-10 08:00", "03-10 12:00"),
    ],
    ids=["one", "two that overlap", "a chain", "two that touch", "the second without end"],
)
def test_the_ed_visit_runs_from_the_first_start_to_the_last_end(
    rows: list[Resource], start: str, end: str
) -> None:
    answer = found(*rows)
    assert (answer.ed_start, answer.ed_end) == (moment(start), moment(end))


def test_still_in_the_emergency_department_the_visit_lasts_until_now() -> None:
    rows = (
        stay(status="in-progress", end=None),
        ed_visit(end=None, status="in-progress", part_of="stay"),
    )
    now = moment("03-10 18:00")
    assert found(*rows, now=now).ed_end == now
    assert value("ed_los_hours", *rows, now=now) == 10


@pytest.mark.parametrize(
    ("row", "now", "prediction_time", "timing", "issue"),
    [
        (stay(), "06-01 00:00", "03-15 12:00", "at_discharge", None),
        (stay(), "03-12 00:00", "03-15 12:00", "at_discharge", None),
        (
            stay(status="in-progress", end=None),
            "03-12 00:00",
            "03-12 00:00",
            "before_discharge",
            None,
        ),
        (stay(status="onleave", end=None), "03-12 00:00", "03-12 00:00", "before_discharge", None),
        (
            stay(status="in-progress"),
            "03-12 00:00",
            "03-12 00:00",
            "before_discharge",
            "estimated_end_ignored",
        ),
        (
            stay(status="in-progress"),
            "03-16 00:00",
            "03-16 00:00",
            "before_discharge",
            "end_of_unfinished_stay",
        ),
        (
            stay("2024-03-10", "2024-03-15"),
            "06-01 00:00",
            "2024-03-15T23:59:59.999999+00:00",
            "at_discharge",
            "stay_by_date_only",
        ),
        (
            stay("2024-03-10T12:00:00", "03-15 12:00"),
            "06-01 00:00",
            "03-15 12:00",
            "at_discharge",
            "zone_assumed",
        ),
        (
            stay(end="2024-03-15T12:00:00"),
            "06-01 00:00",
            "03-15 12:00",
            "at_discharge",
            "zone_assumed",
        ),
    ],
    ids=[
        "finished: its end",
        "finished: its end, whatever the clock",
        "in progress: the clock",
        "on leave: the clock",
        "an estimated end is ignored",
        "a past end of an unfinished stay too",
        "by date only",
        "zone-less admission",
        "zone-less discharge",
    ],
)
def test_the_clock(
    row: Resource, now: str, prediction_time: str, timing: str, issue: str | None
) -> None:
    answer = vector(row, now=moment(now))
    assert (answer.prediction_time, answer.timing) == (moment(prediction_time), timing)
    assert issue_codes(answer) == ({issue} if issue else set())


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (stay(status="cancelled"), "encounter_cancelled"),
        (stay(status="entered-in-error"), "encounter_cancelled"),
        (stay(status="planned"), "not_admitted_yet"),
        (stay(status="in-progress", start="07-01 00:00", end=None), "not_admitted_yet"),
        (stay(class_="AMB"), "not_inpatient"),
        (stay(class_="EMER"), "not_inpatient"),
        (stay(None), "admission_time_unknown"),
        (stay("soon"), "admission_time_unknown"),
        (stay(end=None), "discharge_time_unknown"),
        (stay(end="2024-99-01"), "discharge_time_unknown"),
        (stay("03-10 12:00", "03-10 11:59"), "discharge_before_admission"),
    ],
)
def test_no_stay_says_why(row: Resource, reason: str) -> None:
    assert stay_of(row) == NoStay(reason)


def test_an_encounter_that_is_not_in_the_record_is_unknown() -> None:
    assert stay_of(index="elsewhere") == NoStay("encounter_unknown")


def test_open_and_finished_stays_are_listed_in_order_of_their_ids() -> None:
    known = history(
        visit("z", "IMP", "03-20 00:00", status="in-progress"),
        visit("b", "IMP", "03-18 00:00", status="onleave"),
        visit("e", "EMER", "03-18 00:00", status="in-progress"),
        visit("a", "IMP", "02-01 00:00", "02-03 00:00"),
        visit("c", "IMP", "02-05 00:00", None),
    )
    assert [each.id for each in open_visits(known, "hospital")] == ["b", "z"]
    assert [each.visit.id for each in finished_stays(known, NOW)] == ["a", "stay"]
