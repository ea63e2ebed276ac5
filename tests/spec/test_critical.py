"""The critical outcome of an adult ED visit: death in the stay it led to, or intensive care soon."""

from datetime import datetime
from typing import Any

import pytest

from fhir_mapping.critical import CriticalOutcome, NoOutcome, critical_outcome
from fhir_mapping.extract import extract
from tests.spec.record import (
    READ,
    Resource,
    ed_visit,
    history,
    moment,
    observations,
    patient,
    stay,
    visit,
)

END = moment("12-31 00:00")


def outcome(
    *rows: Any, variant: Any = "ed_departure", until: datetime = END
) -> CriticalOutcome | NoOutcome:
    known = history(*rows)
    index = next(each for each in known.visits if each.id == "ed")
    return critical_outcome(known, index, variant, until)


def icu(start: str, end: str = "03-14 12:00", **fields: Any) -> Resource:
    """The usual stay with intensive care from `start` on."""
    period = {"start": f"2024-{start[:5]}T{start[6:]}:00Z", "end": f"2024-{end[:5]}T{end[6:]}:00Z"}
    place = {"location": {"display": "Medical ICU"}, "status": "completed", "period": period}
    return stay(location=[place], **fields)


# The ED visit is 03-10 08:00 to 12:00, the stay begins at 12:00.
@pytest.mark.parametrize(
    ("rows", "died", "intensive"),
    [
        pytest.param([ed_visit()], False, False, id="neither"),
        pytest.param([ed_visit(), stay(disposition="exp")], True, False, id="died in the stay"),
        pytest.param([ed_visit(), icu("03-10 14:00")], False, True, id="ICU after 2 h"),
        pytest.param([ed_visit(), icu("03-11 00:00")], False, True, id="ICU after 12 h"),
        pytest.param([ed_visit(), icu("03-11 00:01")], False, False, id="ICU after 12 h 1 min"),
        pytest.param([ed_visit(), icu("03-10 14:00", disposition="exp")], True, True, id="both"),
        pytest.param(
            [ed_visit("02-01 08:00", "02-01 12:00"), stay(disposition="exp")], False, False,
            id="a visit that led to no stay",
        ),
        pytest.param(
            [ed_visit(), icu("03-10 14:00", end="03-14 12:00", status="in-progress")], False, True,
            id="ICU in a stay that is not over",
        ),
    ],
)  # fmt: skip
def test_the_label(rows: list[Any], died: bool, intensive: bool) -> None:
    found = outcome(*rows)
    assert isinstance(found, CriticalOutcome)
    assert (found.died_in_hospital, found.intensive_care_12h) == (died, intensive)
    assert found.critical == (died or intensive)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([ed_visit(), patient(birthDate="2015-01-01")], "under_18"),
        ([ed_visit(), patient(birthDate=None)], "age_unknown"),
        ([ed_visit(status="cancelled")], "visit_cancelled"),
        ([ed_visit(status="in-progress")], "not_finished"),
        ([ed_visit(end=None)], "not_finished"),
        ([ed_visit("03-10 12:00", "03-10 08:00")], "departure_before_arrival"),
        ([ed_visit(), icu("03-10 11:00")], "in_icu_already"),
        ([ed_visit(), stay(end=None, status="in-progress")], "stay_not_finished"),
    ],
)
def test_who_is_left_out(rows: list[Any], reason: str) -> None:
    assert outcome(*rows) == NoOutcome(reason)


def test_twelve_hours_must_have_been_seen() -> None:
    assert outcome(ed_visit(), until=moment("03-10 23:59")) == NoOutcome("follow_up_too_short")
    assert isinstance(outcome(ed_visit(), until=moment("03-11 00:00")), NoOutcome | CriticalOutcome)


def test_intensive_care_before_the_visit_says_nothing_of_it() -> None:
    earlier = visit(
        "old", "IMP", "03-01 12:00", "03-05 12:00",
        location=[{"location": {"display": "ICU"}, "status": "completed",
                   "period": {"start": "2024-03-01T12:00:00Z", "end": "2024-03-02T12:00:00Z"}}],
    )  # fmt: skip
    found = outcome(ed_visit(), earlier)
    assert isinstance(found, CriticalOutcome)
    assert not found.critical


@pytest.mark.parametrize(
    ("variant", "end", "clock"),
    [
        ("triage", "03-10 12:00", "03-10 09:00"),
        ("triage", "03-10 08:20", "03-10 08:20"),
        ("ed_departure", "03-10 12:00", "03-10 12:00"),
    ],
)
def test_the_clock(variant: str, end: str, clock: str) -> None:
    found = outcome(ed_visit(end=end), variant=variant)
    assert isinstance(found, CriticalOutcome)
    assert found.stay.prediction_time == moment(clock)
    assert found.stay.t0 == moment("03-10 08:00")


def test_icu_between_triage_and_departure_counts_at_triage_only() -> None:
    rows = [ed_visit(), icu("03-10 11:00")]
    at_triage = outcome(*rows, variant="triage")
    assert isinstance(at_triage, CriticalOutcome)
    assert at_triage.critical
    assert outcome(*rows) == NoOutcome("in_icu_already")


def test_nothing_after_the_clock_is_in_the_vector() -> None:
    table = """
        03-10 08:10 | 8867-4 | 90 | /min
        03-10 11:00 | 8867-4 | 150 | /min
    """
    known = history(ed_visit(), observations(table))
    index = next(each for each in known.visits if each.id == "ed")
    values = {}
    for variant in ("triage", "ed_departure"):
        found = critical_outcome(known, index, variant, END)  # type: ignore[arg-type]
        assert isinstance(found, CriticalOutcome)
        vector = extract(known, found.stay, READ)
        values[variant] = (
            vector["triage_heartrate"],
            vector["ed_heartrate_last"],
            vector["n_ed_30d"],
        )
    assert values["triage"][0] == 90
    assert values["ed_departure"] == (90, 150, 0)
