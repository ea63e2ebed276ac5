"""The ED visit to be scored: which one, as of when, and who is out; the same for training."""

from typing import Any

import pytest

from fhir_mapping.critical import CriticalOutcome, critical_outcome
from fhir_mapping.emergency import Variant, ed_eligible, ed_stay, features_known_at
from fhir_mapping.extract import extract
from fhir_mapping.history import IndexStay, NoStay
from tests.spec.record import (
    READ,
    Resource,
    Rows,
    at,
    concept,
    ed_visit,
    history,
    moment,
    observations,
    patient,
    stay,
)

IN_ED = {"status": "in-progress", "end": None}
BOTH: tuple[Variant, ...] = ("triage", "ed_departure")


def indexed(
    *rows: Rows, now: str = "06-01 00:00", variant: Variant = "ed_departure"
) -> IndexStay | NoStay:
    return ed_stay(history(*rows), "ed", moment(now), variant=variant)


def there(*rows: Rows, **options: Any) -> IndexStay:
    found = indexed(*rows, **options)
    assert isinstance(found, IndexStay), found
    return found


# The ED visit begins at 03-10 08:00.
@pytest.mark.parametrize(
    ("variant", "row", "now", "clock"),
    [
        ("triage", ed_visit(), "06-01 00:00", "03-10 09:00"),
        ("triage", ed_visit(end="03-10 08:20"), "06-01 00:00", "03-10 08:20"),
        ("triage", ed_visit(**IN_ED), "03-10 08:00", "03-10 08:00"),
        ("triage", ed_visit(**IN_ED), "03-10 08:59", "03-10 08:59"),
        ("triage", ed_visit(**IN_ED), "03-10 09:00", "03-10 09:00"),
        ("triage", ed_visit(**IN_ED), "03-10 15:00", "03-10 09:00"),
        ("ed_departure", ed_visit(), "06-01 00:00", "03-10 12:00"),
        ("ed_departure", ed_visit(), "03-10 12:00", "03-10 12:00"),
        ("ed_departure", ed_visit(), "03-10 11:00", "03-10 11:00"),
        ("ed_departure", ed_visit(**IN_ED), "03-10 10:00", "03-10 10:00"),
        ("ed_departure", ed_visit(status="arrived", end=None), "03-10 10:00", "03-10 10:00"),
        ("ed_departure", ed_visit(status="triaged", end=None), "03-10 10:00", "03-10 10:00"),
        ("ed_departure", ed_visit(status="in-progress"), "03-10 10:00", "03-10 10:00"),
        ("ed_departure", ed_visit(status="in-progress"), "03-10 13:00", "03-10 13:00"),
    ],
    ids=[
        "an hour after arrival", "left before the hour", "on arrival", "within the hour",
        "at the hour", "after the hour", "at departure", "leaving now",
        "an end that is still to come", "still there", "arrived", "triaged",
        "an estimated end", "an estimated end that has passed",
    ],
)  # fmt: skip
def test_the_clock(variant: Variant, row: Resource, now: str, clock: str) -> None:
    found = there(row, now=now, variant=variant)
    assert found.prediction_time == moment(clock)
    assert (found.t0, found.admission) == (moment("03-10 08:00"), moment("03-10 08:00"))
    assert [each.id for each in found.ed_visits] == ["ed"]


@pytest.mark.parametrize(
    ("variant", "row", "now", "left"),
    [
        ("triage", ed_visit(), "06-01 00:00", None),
        ("triage", ed_visit(end="03-10 08:20"), "06-01 00:00", "03-10 08:20"),
        ("triage", ed_visit(**IN_ED), "03-10 08:30", None),
        ("ed_departure", ed_visit(), "06-01 00:00", "03-10 12:00"),
        ("ed_departure", ed_visit(**IN_ED), "03-10 10:00", "03-10 10:00"),
    ],
    ids=["not yet", "before the hour", "still there", "as recorded", "as if leaving now"],
)
def test_when_the_ed_was_left(variant: Variant, row: Resource, now: str, left: str | None) -> None:
    assert there(row, now=now, variant=variant).ed_end == (moment(left) if left else None)


def test_an_estimated_end_is_noticed() -> None:
    found = there(ed_visit(status="in-progress"), now="03-10 10:00")
    assert {each.code for each in found.issues} == {"estimated_end_ignored"}


@pytest.mark.parametrize(
    ("row", "now", "reason"),
    [
        (ed_visit(id_="other"), "06-01 00:00", "encounter_unknown"),
        (ed_visit(status="cancelled"), "06-01 00:00", "encounter_cancelled"),
        (ed_visit(status="entered-in-error"), "06-01 00:00", "encounter_cancelled"),
        (ed_visit(class_="IMP"), "06-01 00:00", "not_emergency"),
        (ed_visit(class_="AMB"), "06-01 00:00", "not_emergency"),
        (ed_visit(status="planned", end=None), "06-01 00:00", "not_arrived_yet"),
        (ed_visit(**IN_ED), "03-10 07:59", "not_arrived_yet"),
        (ed_visit(), "03-10 07:59", "not_arrived_yet"),
        (ed_visit(period={}), "06-01 00:00", "arrival_time_unknown"),
        (ed_visit(end=None), "06-01 00:00", "departure_time_unknown"),
        (ed_visit("03-10 12:00", "03-10 08:00"), "06-01 00:00", "departure_before_arrival"),
        (ed_visit(**IN_ED), "03-20 08:01", "ed_visit_too_long"),
    ],
)
@pytest.mark.parametrize("variant", BOTH)
def test_no_visit_no_clock(row: Resource, now: str, reason: str, variant: Variant) -> None:
    assert indexed(row, now=now, variant=variant) == NoStay(reason)


def test_ten_days_in_the_ed_are_the_most_that_is_believed() -> None:
    assert isinstance(indexed(ed_visit(**IN_ED), now="03-20 08:00"), IndexStay)
    assert isinstance(indexed(ed_visit(end="03-25 08:00")), IndexStay)  # as in training


def outside(*rows: Rows, now: str = "06-01 00:00", variant: Variant = "ed_departure") -> str | None:
    known = history(*rows)
    found = ed_stay(known, "ed", moment(now), variant=variant)
    assert isinstance(found, IndexStay), found
    return ed_eligible(known, found, moment(now))


def icu(start: str) -> Resource:
    """The stay that the ED visit led to, with intensive care from `start` on."""
    period = {"start": at(start)}
    place = {"location": {"display": "Medical ICU"}, "status": "active", "period": period}
    return stay(status="in-progress", end=None, location=[place])


@pytest.mark.parametrize(
    ("rows", "now", "reason"),
    [
        pytest.param([ed_visit()], "06-01 00:00", None, id="an adult"),
        pytest.param([ed_visit(**IN_ED)], "03-10 10:00", None, id="an adult who is there"),
        pytest.param(
            [ed_visit(), patient(birthDate="2006-03-10")], "06-01 00:00", None, id="18 that day"
        ),
        pytest.param(
            [ed_visit(), patient(birthDate="2006-03-11")], "06-01 00:00", "under_18",
            id="18 the day after",
        ),
        pytest.param(
            [ed_visit(), patient(birthDate=None)], "06-01 00:00", "age_unknown", id="no birth date"
        ),
        pytest.param(
            [ed_visit(**IN_ED), patient(deceasedBoolean=True)], "03-10 10:00", "deceased",
            id="dead, when is unknown",
        ),
        pytest.param(
            [ed_visit(), patient(deceasedDateTime="2024-03-10T09:00:00Z")], "06-01 00:00",
            "deceased", id="died in the ED",
        ),
        pytest.param([ed_visit(disposition="exp")], "06-01 00:00", "deceased", id="left it dead"),
        pytest.param(
            [ed_visit(), patient(deceasedDateTime="2024-03-12")], "06-01 00:00", None,
            id="died later: as of departure nothing is known of it",
        ),
        pytest.param(
            [ed_visit(**IN_ED), icu("03-10 09:30")], "03-10 10:00", "in_icu_already",
            id="intensive care by now",
        ),
        pytest.param(
            [ed_visit(), icu("03-10 11:00")], "06-01 00:00", "in_icu_already",
            id="intensive care before departure",
        ),
        pytest.param(
            [ed_visit(), icu("03-10 14:00")], "06-01 00:00", None,
            id="intensive care after departure is the outcome",
        ),
    ],
)  # fmt: skip
def test_who_is_scored(rows: list[Rows], now: str, reason: str | None) -> None:
    assert outside(*rows, now=now) == reason


def test_at_triage_what_is_known_now_counts_while_the_patient_is_there() -> None:
    """The clock stands at one hour after arrival, yet nobody is scored for what has happened."""
    rows = (ed_visit(**IN_ED), icu("03-10 09:30"))
    assert outside(*rows, now="03-10 09:15", variant="triage") is None
    assert outside(*rows, now="03-10 10:00", variant="triage") == "in_icu_already"
    assert outside(ed_visit(), icu("03-10 11:00"), variant="triage") is None  # as in training


def test_the_features_known_are_those_of_the_catalogue_column() -> None:
    triage, departure = (frozenset(features_known_at(variant)) for variant in BOTH)
    assert (len(triage), len(departure)) == (87, 96)
    assert triage < departure
    assert not departure & {"insurance", "hosp_los_days", "discharge_location"}


CASES: dict[str, list[Rows]] = {
    "usual": [ed_visit()],
    "left within the hour": [ed_visit(end="03-10 08:20")],
    "by date": [ed_visit(period={"start": "2024-03-10", "end": "2024-03-10"})],
    "in another zone": [
        ed_visit(period={"start": "2024-03-10T09:00:00+01:00", "end": "2024-03-10T13:00:00+01:00"})
    ],
    "with complaint": [ed_visit(reason="chest pain", type=[concept("s|x")])],
}


@pytest.mark.parametrize("variant", BOTH)
@pytest.mark.parametrize("case", CASES)
def test_training_and_service_see_the_same_visit(case: str, variant: Variant) -> None:
    seen = observations(
        """
        03-10 08:10 | 8867-4 | 90 | /min
        03-10 11:00 | 8867-4 | 150 | /min
        """
    )
    known = history(*CASES[case], seen)
    visit = next(each for each in known.visits if each.id == "ed")
    trained = critical_outcome(known, visit, variant, moment("12-31 00:00"))
    served = ed_stay(known, "ed", moment("06-01 00:00"), variant=variant)
    assert isinstance(trained, CriticalOutcome)
    assert isinstance(served, IndexStay)
    assert (served.t0, served.prediction_time) == (trained.stay.t0, trained.stay.prediction_time)
    assert extract(known, served, READ).digest == extract(known, trained.stay, READ).digest
