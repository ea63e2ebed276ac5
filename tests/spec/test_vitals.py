"""Vital signs: which measurement is chosen. Units and bounds are in test_vital_values.py, status
and versions in test_results.py."""

from typing import Any

import pytest

from fhir_mapping.history import Source
from fhir_mapping.readings import STAY_VITALS
from tests.spec.record import (
    NOW,
    Resource,
    ed_visit,
    moment,
    observation,
    observations,
    read_all_but,
    stay,
    value,
    vector,
    visit,
)

ED = ed_visit()  # 03-10 08:00 to 12:00, then the stay until 03-15 12:00
LONG_ED = ed_visit("03-10 02:00", "03-10 12:00")
NO_ED = stay()
TRIAGE, LAST = "triage_heartrate", "ed_heartrate_last"


# time | code | value | unit                           the answers: at triage, last in the ED
@pytest.mark.parametrize(
    ("visit", "table", "triage", "last"),
    [
        pytest.param(ED, "", None, None, id="nothing"),
        pytest.param(ED, "03-10 08:10 | 8867-4 | 88 | /min", 88, 88, id="one"),
        pytest.param(
            ED,
            """
            03-10 08:10 | 8867-4 | 88 | /min
            03-10 09:00 | 8867-4 | 95 | /min
            03-10 11:00 | 8867-4 | 70 | /min
            """,
            88,
            70,
            id="first and last of three",
        ),
        pytest.param(
            ED,
            """
            03-10 07:59 | 8867-4 | 61 | /min
            03-10 08:00 | 8867-4 | 62 | /min
            03-10 12:00 | 8867-4 | 63 | /min
            03-10 12:01 | 8867-4 | 64 | /min
            """,
            62,
            63,
            id="closed at arrival and at departure",
        ),
        pytest.param(ED, "03-10 10:00 | 8867-4 | 88 | /min", 88, 88, id="triage ends after 2 h"),
        pytest.param(ED, "03-10 10:01 | 8867-4 | 88 | /min", None, 88, id="2 h 1 min"),
        pytest.param(LONG_ED, "03-10 04:01 | 8867-4 | 88 | /min", None, 88, id="a long ED visit"),
        pytest.param(
            NO_ED,
            """
            03-10 11:59 | 8867-4 | 61 | /min
            03-10 12:00 | 8867-4 | 62 | /min
            03-11 12:00 | 8867-4 | 63 | /min
            03-11 12:01 | 8867-4 | 64 | /min
            """,
            62,
            63,
            id="no ED visit: the first 24 h of the stay",
        ),
        pytest.param(
            stay(end="03-10 18:00"),
            """
            03-10 13:00 | 8867-4 | 62 | /min
            03-10 18:00 | 8867-4 | 63 | /min
            03-10 19:00 | 8867-4 | 64 | /min
            """,
            62,
            63,
            id="no ED visit: until discharge at the latest",
        ),
        pytest.param(
            ED,
            """
            03-10 08:10 | 8867-4 | 0    | /min
            03-10 08:20 | 8867-4 | 88   | /min
            03-10 08:30 | 8867-4 | 77   | mm[Hg]
            """,
            88,
            88,
            id="first and last usable",
        ),
        pytest.param(ED, "03-10 08:10 | 8888-8 | 88 | /min", None, None, id="another code"),
        pytest.param(
            ED, "03-10 08:10 | urn:x|8867-4 | 88 | /min", None, None, id="another code system"
        ),
    ],
)
def test_first_at_triage_and_last_in_the_ed(
    visit: Resource, table: str, triage: float | None, last: float | None
) -> None:
    answer = vector(visit, observations(table))
    assert (answer[TRIAGE], answer[LAST]) == (triage, last)


def test_windows_end_at_the_prediction_time() -> None:
    rows = (
        ed_visit(end=None, status="in-progress", part_of="stay"),
        stay("03-10 08:30", None, status="in-progress"),
        observations("""
            03-10 08:40 | 8867-4 | 88 | /min
            03-10 08:50 | 8867-4 | 95 | /min
            """),
    )
    assert value(LAST, *rows, now=moment("03-10 08:45")) == 88
    assert value(LAST, *rows, now=moment("03-10 09:00")) == 95


@pytest.mark.parametrize(
    ("table", "triage", "last"),
    [
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 88 | /min | issued=03-10 08:15
            03-10 08:10 | 8867-4 | 90 | /min | issued=03-10 08:20
            """,
            90,
            90,
            id="the later issued",
        ),
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 90 | /min | issued=03-10 08:15
            03-10 08:10 | 8867-4 | 88 | /min
            """,
            90,
            90,
            id="issued before not issued",
        ),
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 90 | /min | updated=03-10 09:30
            03-10 08:10 | 8867-4 | 88 | /min | updated=03-10 09:20
            """,
            90,
            90,
            id="then the later updated",
        ),
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 90 | /min | updated=2024-03-10T09:00:00Z
            03-10 08:10 | 8867-4 | 88 | /min | updated=2024-03-10T10:00:00+02:00
            """,
            90,
            90,
            id="in whatever zone that is written",
        ),
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 88 | /min | id=a
            03-10 08:10 | 8867-4 | 90 | /min | id=b
            """,
            90,
            90,
            id="then the higher id",
        ),
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 90 | /min | issued=03-10 08:15, updated=03-10 08:15
            03-10 08:10 | 8867-4 | 88 | /min | issued=03-10 08:14, updated=03-10 11:00
            """,
            90,
            90,
            id="issued before updated",
        ),
        pytest.param(
            """
            2024-03-10  | 8867-4 | 88 | /min
            03-10 08:10 | 8867-4 | 90 | /min
            """,
            88,
            90,
            id="a day counts from its beginning",
        ),
        pytest.param(
            """
            03-10 08:10 | 8867-4 | 88 | /min | issued=03-10 11:00
            03-10 08:11 | 8867-4 | 90 | /min | issued=03-10 08:12
            """,
            88,
            90,
            id="time before issued",
        ),
    ],
)
def test_ties(table: str, triage: float, last: float) -> None:
    rows = observations(table)
    for order in (rows, rows[::-1]):
        answer = vector(ED, order)
        assert (answer[TRIAGE], answer[LAST]) == (triage, last)


def test_a_period_is_known_at_its_end() -> None:
    row = observation("", "8867-4", "88", "/min")
    over = {"effectivePeriod": {"start": "2024-03-10T07:00:00Z", "end": "2024-03-10T08:30:00Z"}}
    open_ = {"effectivePeriod": {"start": "2024-03-10T08:15:00Z"}}
    assert value(TRIAGE, ED, row | over) == 88
    assert value(TRIAGE, ED, row | open_) == 88
    assert value(TRIAGE, ED, row | {"effectiveInstant": "2024-03-10T08:30:00Z"}) == 88


def test_the_encounter_of_a_value_does_not_matter() -> None:
    row = observation("03-10 08:10", "8867-4", "88", "/min")
    assert value(TRIAGE, ED, row | {"encounter": {"reference": "Encounter/another"}}) == 88


def test_evidence_says_which_was_chosen_and_why() -> None:
    answer = vector(
        ED,
        observations("""
            03-10 08:10 | 8310-5 | 98.6  | [degF] | id=a
            03-10 08:20 | 8310-5 | 100.4 | [degF] | id=b
            """),
        now=NOW,
    )
    (row,) = answer.evidence_for("ed_temperature_last")
    assert (row.reference, row.time) == ("Observation/b", "2024-03-10T08:20:00+00:00")
    assert (row.received, row.received_unit) == ("100.4", "[degF]")
    assert (row.value, row.unit) == (38.0, "Cel")
    assert row.reason == "last of 2 usable in the window"


def test_whether_there_was_an_ed_visit_cannot_be_told_without_encounters() -> None:
    seen = observations("03-10 12:30 | 8867-4 | 88 | /min")
    assert value(TRIAGE, seen) == 88
    assert value(TRIAGE, seen, sources=read_all_but(Encounter="not_read")) is None
    early = observations("03-10 08:30 | 8867-4 | 88 | /min")
    assert value(TRIAGE, ED, early, sources=read_all_but(Encounter="not_read")) == 88


def test_a_cut_page_has_the_last_value_but_the_first_only_if_it_reaches_back() -> None:
    sources = read_all_but(Observation="partial")
    seen = observations("03-10 08:10 | 8867-4 | 88 | /min")
    older = observations("03-10 07:59 | 2951-2 | 140 | mmol/L | id=older")
    answer = vector(ED, seen, sources=sources)
    assert (answer[TRIAGE], answer[LAST]) == (None, 88)
    assert value(TRIAGE, ED, seen, older, sources=sources) == 88


# the vital signs of the stay itself, beside a page of the newest observations that does not reach back
ALONE = read_all_but(Observation="partial") | {STAY_VITALS: "read"}
OWN = "03-10 14:00 | 8867-4 | 88 | /min | encounter=stay"
NEWEST = "03-14 08:00 | 8867-4 | 70 | /min | id=newest, encounter=stay"


def test_they_have_the_first_and_last_value_of_a_stay_that_is_alone() -> None:
    seen = observations(f"{OWN}\n{NEWEST}")
    answer = vector(seen, sources=ALONE)
    assert (answer[TRIAGE], answer[LAST]) == (88, 88)
    assert value(TRIAGE, seen, sources=read_all_but(Observation="partial")) is None


@pytest.mark.parametrize(
    "other",
    [
        [ED],
        [visit("icu", "IMP", "03-10 13:00", "03-11 12:00")],
        [visit("clinic", "AMB", "03-10 20:00", None)],
        [visit("undated", "AMB", None, None)],
        observations("03-14 09:00 | 9279-1 | 16 | /min | id=without-encounter"),
    ],
    ids=["an ED visit", "a unit's own", "an open visit", "an undated visit", "a value of no visit"],
)
def test_they_prove_nothing_where_values_may_hang_elsewhere(other: Any) -> None:
    answer = vector(observations(f"{OWN}\n{NEWEST}"), other, sources=ALONE)
    assert (answer[TRIAGE], answer[LAST]) == (None, None)


@pytest.mark.parametrize("encounters", ["partial", "not_read"])
def test_they_prove_nothing_where_visits_may_be_unknown(encounters: Source) -> None:
    sources = ALONE | {"Encounter": encounters}
    assert value(TRIAGE, observations(f"{OWN}\n{NEWEST}"), sources=sources) is None


def test_an_early_value_of_the_stay_itself_is_no_page_that_reaches_back() -> None:
    early = "03-10 11:00 | 9279-1 | 16 | /min | id=early, encounter=stay"
    seen = observations(f"{OWN}\n{NEWEST}\n{early}")
    assert value(TRIAGE, ED, seen, sources=ALONE) is None


def test_laboratory_values_are_the_newest_whatever_came_beside_them() -> None:
    labs = observations("03-14 08:00 | 718-7 | 9.5 | g/dL | encounter=stay")
    assert value("hemoglobin_last", ED, labs, sources=ALONE) == 9.5
