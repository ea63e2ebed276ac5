"""The 30-day label: an unplanned inpatient stay starting > 0 and <= 30 d after discharge."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhir_mapping.outcomes import DEFAULT, Readmission, readmitted
from tests.spec.record import NOW, Resource, ed_visit, history, moment, stay, visit

NO = Readmission(unplanned=False, all_cause=False, next_visit=None)


def label(*rows: Resource, until: str = "06-01 00:00", **switches: Any) -> Readmission | None:
    visits = history(*rows).visits
    index = next(each for each in visits if each.id == "stay")
    return readmitted(visits, index, moment(until), replace(DEFAULT, **switches))


def back(start: str, end: str | None = "", **fields: Any) -> Resource:
    """A later stay, over at once unless it says otherwise."""
    over = start if end == "" else end
    return visit(fields.pop("id", "next"), fields.pop("class_", "IMP"), start, over, **fields)


# The index stay ends 03-15 12:00; 30 days later it is 04-14 12:00.
@pytest.mark.parametrize(
    ("row", "again"),
    [
        pytest.param(back("03-15 12:00"), False, id="at once: the same stay"),
        pytest.param(back("03-15 13:00"), False, id="1 h: the same stay"),
        pytest.param(back("03-15 13:01"), True, id="1 h 1 min"),
        pytest.param(back("04-14 12:00"), True, id="30 days"),
        pytest.param(back("04-14 12:01"), False, id="30 days 1 min"),
        pytest.param(back("03-14 12:00"), False, id="before discharge"),
        pytest.param(back("03-20 12:00", class_="EMER"), False, id="an ED visit"),
        pytest.param(back("03-20 12:00", class_="AMB"), False, id="a clinic visit"),
        pytest.param(back("03-20 12:00", class_="OBSENC"), False, id="observation"),
        pytest.param(back("03-20 12:00", class_="NONAC"), False, id="non-acute"),
        pytest.param(back("03-20 12:00", status="planned"), False, id="planned, not begun"),
        pytest.param(back("03-20 12:00", status="cancelled"), False, id="cancelled"),
        pytest.param(back("03-20 12:00", status="entered-in-error"), False, id="in error"),
        pytest.param(back("03-20 12:00", None, status="in-progress"), True, id="not over"),
        pytest.param(ed_visit("03-20 08:00", "03-20 12:00"), False, id="ED only"),
    ],
)
def test_which_stay_is_a_readmission(row: Resource, again: bool) -> None:
    answer = label(row)
    assert answer is not None
    assert (answer.all_cause, answer.next_visit) == (again, "next" if again else None)


@pytest.mark.parametrize(
    ("fields", "unplanned", "unknown"),
    [
        ({"priority": "EM"}, True, False),
        ({"priority": "UR"}, True, False),
        ({"priority": "EL"}, False, False),
        ({"class_": "SS"}, True, False),
        ({}, True, True),
    ],
    ids=["emergency", "urgent", "elective", "same-day surgery", "not said"],
)
def test_planned_means_elective(fields: dict[str, Any], unplanned: bool, unknown: bool) -> None:
    answer = Readmission(unplanned, True, "next", planned_unknown=unknown)
    assert label(back("03-20 12:00", **fields)) == answer


def test_what_counts_as_planned_is_a_switch() -> None:
    planned = frozenset(("elective", "surgical_same_day"))
    answer = label(back("03-20 12:00", class_="SS"), planned=planned)
    assert answer == Readmission(unplanned=False, all_cause=True, next_visit="next")


def test_observation_as_a_stay_is_a_switch() -> None:
    answer = label(back("03-20 12:00", class_="OBSENC"), observation_is_stay=True)
    assert answer is not None
    assert answer.all_cause


@pytest.mark.parametrize(
    ("index", "following", "again"),
    [
        pytest.param({"disposition": "02"}, {"start": "03-16 12:00"}, False, id="out, 24 h"),
        pytest.param({"disposition": "02"}, {"start": "03-16 12:01"}, True, id="out, 24 h 1 min"),
        pytest.param(
            {},
            {"start": "03-16 12:00", "admit_source": "hosp-trans"},
            False,
            id="in, 24 h",
        ),
        pytest.param(
            {},
            {"start": "03-16 12:01", "admit_source": "hosp-trans"},
            True,
            id="in, 24 h 1 min",
        ),
        pytest.param({"disposition": "03"}, {"start": "03-15 14:00"}, True, id="to nursing care"),
    ],
)
def test_a_transfer_continues_the_stay_for_a_day(
    index: dict[str, Any], following: dict[str, Any], again: bool
) -> None:
    answer = label(stay(**index), back(**following))
    assert answer is not None
    assert answer.all_cause is again


def test_without_the_switches_every_next_stay_counts() -> None:
    answer = label(back("03-15 12:30"), same_stay=None, same_stay_transfer=None)
    assert answer is not None
    assert answer.all_cause


def test_the_30_days_begin_when_the_last_part_of_the_stay_ends() -> None:
    part = back("03-15 12:30", "03-20 12:00", id="part")
    for start, again in (("04-19 12:00", True), ("04-19 12:01", False)):
        answer = label(part, back(start))
        assert answer is not None
        assert answer.all_cause is again


def test_of_several_the_first_decides() -> None:
    rows = (
        back("03-25 12:00", "03-26 12:00", id="b", priority="EM"),
        back("03-20 12:00", "03-22 12:00", id="a", priority="EL"),
    )
    answer = Readmission(unplanned=False, all_cause=True, next_visit="a")
    assert label(*rows) == label(*rows[::-1]) == answer


@pytest.mark.parametrize(
    ("end", "start", "again"),
    [
        ("2024-03-15", "2024-03-15", False),
        ("2024-03-15", "2024-03-16", True),
        ("2024-03-15", "2024-04-14", True),
        ("2024-03-15", "2024-04-15", False),
        ("03-15 12:00", "2024-03-15", False),
        ("03-15 12:00", "2024-03-16", True),
        ("2024-03-15", "03-15 20:00", False),
    ],
)
def test_days_are_compared_by_date(end: str, start: str, again: bool) -> None:
    answer = label(stay(end=end), back(start))
    assert answer is not None
    assert answer.all_cause is again


@pytest.mark.parametrize(
    ("row", "until", "answer"),
    [
        pytest.param(stay(), "04-14 12:00", NO, id="followed for 30 days"),
        pytest.param(stay(), "04-14 11:59", None, id="not followed for 30 days"),
        pytest.param(stay(disposition="exp"), "06-01 00:00", None, id="died in hospital"),
        pytest.param(stay(disposition="20"), "06-01 00:00", None, id="died, by NUBC"),
        pytest.param(stay(end=None, status="in-progress"), "06-01 00:00", None, id="not over"),
    ],
)
def test_when_there_is_no_label(row: Resource, until: str, answer: Readmission | None) -> None:
    assert label(row, until=until) == answer


def test_who_is_not_followed_has_no_label_even_if_back() -> None:
    assert label(back("03-20 12:00"), until="04-01 00:00") is None


def test_a_death_in_a_later_part_of_the_stay_is_a_death_in_hospital() -> None:
    assert label(back("03-15 12:30", "03-20 12:00", disposition="exp")) is None


def test_the_default_switches() -> None:
    assert not DEFAULT.observation_is_stay
    assert (DEFAULT.same_stay, DEFAULT.same_stay_transfer) == (
        timedelta(hours=1),
        timedelta(hours=24),
    )
    assert moment("06-01 00:00") == NOW
