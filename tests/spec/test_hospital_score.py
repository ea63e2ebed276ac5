"""HOSPITAL: haemoglobin, oncology, sodium, procedure, urgency, admissions, length of stay."""

from typing import Any

import pytest

from fhir_mapping.history import Sources
from fhir_mapping.scores import PointScore, hospital
from tests.spec.record import (
    READ,
    Resource,
    Rows,
    concept,
    observations,
    procedure,
    read_all_but,
    scored,
    stay,
    visit,
)

SURGERY = concept(text="Surgery")
NORMAL = observations("""
    03-10 15:00 | 718-7  | 14  | g/dL
    03-10 15:00 | 2951-2 | 140 | mmol/L
    """)


def quiet(**fields: Any) -> Resource:
    """An elective stay of six hours on a surgical service: every item at 0."""
    return stay(**{"priority": "EL", "end": "03-10 18:00", "serviceType": SURGERY} | fields)


def score(*rows: Rows, sources: Sources = READ) -> PointScore:
    return scored(hospital, quiet(), NORMAL, *rows, sources=sources)


def earlier(count: int) -> list[Resource]:
    """So many admissions in the month before."""
    return [visit(f"h{n}", "IMP", f"02-1{n} 00:00", f"02-1{n} 12:00") for n in range(count)]


def item(name: str, answer: PointScore) -> int | None:
    return next(each.points for each in answer.components if each.name == name)


def test_nothing_is_no_points() -> None:
    answer = score()
    assert [each.points for each in answer.components] == [0] * 7
    assert (answer.points, answer.missing) == (0, ())


@pytest.mark.parametrize(
    ("row", "name", "points"),
    [
        ("03-10 16:00 | 718-7 | 11.9 | g/dL", "hemoglobin_last", 1),
        ("03-10 16:00 | 718-7 | 12.0 | g/dL", "hemoglobin_last", 0),
        ("03-10 16:00 | 718-7 | 119 | g/L", "hemoglobin_last", 1),
        ("03-10 16:00 | 718-7 | 7.4 | mmol/L", "hemoglobin_last", 1),
        ("03-10 16:00 | 718-7 | 7.5 | mmol/L", "hemoglobin_last", 0),
        ("03-10 14:00 | 718-7 | 8.0 | g/dL", "hemoglobin_last", 0),
        ("03-10 16:00 | 2951-2 | 134 | mmol/L", "sodium_last", 1),
        ("03-10 16:00 | 2951-2 | 134.9 | meq/L", "sodium_last", 1),
        ("03-10 16:00 | 2951-2 | 135 | mmol/L", "sodium_last", 0),
    ],
)
def test_laboratory(row: str, name: str, points: int) -> None:
    (extra,) = observations(row)
    answer = score(extra | {"id": "x"})
    assert item(name, answer) == answer.points == points


@pytest.mark.parametrize(
    ("service", "points"), [(concept("snomed|394593009"), 2), (SURGERY, 0), (None, None)]
)
def test_oncology(service: Resource | None, points: int | None) -> None:
    assert item("oncology_service", score(quiet(serviceType=service))) == points


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        ([], 0),
        ([procedure("cpt|44970", "03-10 15:00")], 1),
        ([procedure("cpt|99223", "03-10 15:00")], 0),
        ([procedure("snomed|1", "03-10 15:00")], None),
    ],
    ids=["none", "listed", "not on the list", "unknown code system"],
)
def test_procedure(rows: list[Resource], points: int | None) -> None:
    assert item("procedure_any", score(*rows)) == points


@pytest.mark.parametrize(
    ("fields", "points"),
    [
        ({"priority": "EM"}, 1),
        ({"priority": "UR"}, 1),
        ({"priority": "EL"}, 0),
        ({"class_": "SS"}, 0),
        ({"class_": "OBSENC"}, 0),
        ({"priority": None}, None),
    ],
)
def test_urgent_admission(fields: dict[str, Any], points: int | None) -> None:
    assert item("admission_type", score(quiet(**fields))) == points


@pytest.mark.parametrize(
    ("admissions", "points"), [(0, 0), (1, 0), (2, 2), (3, 2), (5, 2), (6, 5), (9, 5)]
)
def test_admissions_in_the_past_year(admissions: int, points: int) -> None:
    assert item("n_hosp_365d", score(earlier(admissions))) == points


@pytest.mark.parametrize(
    ("end", "points"),
    [("03-15 11:59", 0), ("03-15 12:00", 2), ("04-15 12:00", 2), ("03-10 12:00", 0)],
)
def test_length_of_stay(end: str, points: int) -> None:
    labs = [row | {"effectiveDateTime": "2024-03-10T12:00:00Z"} for row in NORMAL]
    assert item("hosp_los_days", score(quiet(end=end), labs)) == points


def test_an_impossible_length_is_missing() -> None:
    assert item("hosp_los_days", score(quiet(start="2020-01-01T00:00:00Z"))) is None


def test_a_full_score() -> None:
    low = observations("""
        03-14 15:00 | 718-7  | 9   | g/dL
        03-14 15:00 | 2951-2 | 130 | mmol/L
        """)
    row = quiet(priority="EM", end="03-16 12:00", serviceType=concept("snomed|394593009"))
    answer = score(row, low, earlier(6), procedure("cpt|44970", "03-12 00:00"))
    assert [each.points for each in answer.components] == [1, 2, 1, 1, 1, 5, 2]
    assert answer.points == 13


@pytest.mark.parametrize(
    ("sources", "rows", "missing"),
    [
        (read_all_but(Procedure="not_read"), [], ["Procedure in this stay"]),
        (
            read_all_but(Procedure="not_read"),
            [procedure("cpt|44970", "03-10 15:00")],
            [],
        ),
        (read_all_but(Encounter="partial"), [], ["Admissions in the past year"]),
        (read_all_but(Encounter="partial"), earlier(3), ["Admissions in the past year"]),
        (read_all_but(Encounter="partial"), earlier(6), []),
        (read_all_but(Observation="not_read", Condition="not_read"), [], []),
    ],
)
def test_an_item_that_cannot_be_told_is_missing_unless_it_is_full(
    sources: Sources, rows: list[Resource], missing: list[str]
) -> None:
    answer = score(*rows, sources=sources)
    assert list(answer.missing) == missing
    assert answer.points == (None if missing else answer.at_least)


def test_a_result_that_was_not_measured_is_missing() -> None:
    answer = scored(hospital, quiet(), NORMAL[0])
    assert answer.missing == ("Last sodium",)
    assert (answer.points, answer.at_least) == (None, 0)


@pytest.mark.parametrize(
    ("count", "shown", "date"),
    [
        (0, "0 admissions in the year before", ""),
        (1, "1 admission in the year before", "2024-02-10"),
        (3, "3 admissions in the year before", "2024-02-12"),
    ],
)
def test_an_item_says_what_it_rests_on_and_the_latest_date(
    count: int, shown: str, date: str
) -> None:
    answer = score(earlier(count))
    (found,) = [each for each in answer.components if each.name == "n_hosp_365d"]
    assert (found.shown, found.date, len(found.references)) == (shown, date, count)
