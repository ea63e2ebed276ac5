"""LACE: length of stay, acuity, comorbidity, emergency visits (METHOD.md, The two scores)."""

from typing import Any

import pytest

from fhir_mapping.history import Sources
from fhir_mapping.scores import PointScore, lace
from tests.spec.record import (
    READ,
    Resource,
    Rows,
    condition,
    ed_visit,
    moment,
    read_all_but,
    scored,
    stay,
    visit,
)

QUIET = (stay(priority="EL", end="03-10 18:00"),)  # every item at 0


def score(*rows: Rows, sources: Sources = READ, **options: Any) -> PointScore:
    return scored(lace, *QUIET, *rows, sources=sources, **options)


def item(name: str, answer: PointScore) -> int | None:
    return next(each.points for each in answer.components if each.name == name)


def test_nothing_is_no_points() -> None:
    answer = score()
    assert [each.points for each in answer.components] == [0, 0, 0, 0]
    assert (answer.points, answer.at_least, answer.missing) == (0, 0, ())


@pytest.mark.parametrize(
    ("end", "points"),
    [
        ("03-10 12:00", 0),
        ("03-11 11:59", 0),
        ("03-11 12:00", 1),
        ("03-12 11:59", 1),
        ("03-12 12:00", 2),
        ("03-13 11:59", 2),
        ("03-13 12:00", 3),
        ("03-14 11:59", 3),
        ("03-14 12:00", 4),
        ("03-17 11:59", 4),
        ("03-17 12:00", 5),
        ("03-24 11:59", 5),
        ("03-24 12:00", 7),
        ("2024-09-01T00:00:00Z", 7),
    ],
)
def test_length_of_stay_in_elapsed_days(end: str, points: int) -> None:
    answer = score(stay(priority="EL", end=end))
    assert item("hosp_los_days", answer) == answer.points == points


def test_an_impossible_length_is_missing() -> None:
    answer = score(stay("2020-01-01T00:00:00Z", priority="EL"))
    assert answer.missing == ("Length of stay",)


@pytest.mark.parametrize(
    ("row", "points"),
    [
        (stay(priority="EM"), 3),
        (stay(priority="UR"), 3),
        (stay(priority="EL"), 0),
        (stay(class_="SS"), 0),
        (stay(class_="OBSENC"), 0),
        (stay(), None),
    ],
    ids=["emergency", "urgent", "elective", "same-day surgery", "observation", "not said"],
)
def test_acuity(row: Resource, points: int | None) -> None:
    answer = score(row)
    assert item("admission_type", answer) == points
    assert answer.missing == (() if points is not None else ("Type of admission",))


CODES = {
    "I21.4": 1,  # myocardial infarction
    "I63.9": 1,  # cerebrovascular
    "I70.0": 1,  # peripheral vascular
    "E11.9": 1,  # diabetes without complications
    "I50.9": 2,  # heart failure
    "E11.22": 2,  # diabetes with end-organ damage
    "J44.9": 2,  # chronic pulmonary
    "K74.60": 2,  # mild liver
    "N18.3": 2,  # mild renal
    "C50.919": 2,  # tumour
    "C85.90": 2,  # lymphoma
    "C95.00": 2,  # leukaemia
    "F03.90": 3,  # dementia
    "M06.9": 3,  # connective tissue
    "B20": 5,  # AIDS: 4, capped
    "K72.90": 5,  # severe liver: 4
    "N18.6": 5,  # severe renal: 4
    "Z99.2": 5,  # dialysis: 4
    "C78.00": 5,  # metastatic: 6
    "I10": 0,  # hypertension is no item
    "K25.9": 0,  # nor peptic ulcer
    "G81.90": 0,  # nor hemiplegia
}


def problems(*codes: str) -> list[Resource]:
    return [condition(f"icd10|{code}", id=code, recorded="01-01 00:00") for code in codes]


@pytest.mark.parametrize(
    ("codes", "points"),
    [
        *((code, points) for code, points in CODES.items()),
        ("I21.4 I63.9", 2),
        ("I21.4 I50.9", 3),
        ("I50.9 J44.9", 5),
        ("I21.4 I22.0", 1),
        ("E11.9 E11.22", 2),
        ("K74.60 N18.3", 2),
        ("N18.3 N18.6", 5),
        ("C50.919 C85.90", 2),
        (" ".join(CODES), 5),
    ],
)
def test_comorbidity(codes: str, points: int) -> None:
    assert item("charlson", score(problems(*codes.split()))) == points


@pytest.mark.parametrize(
    ("rows", "points"),
    [
        pytest.param(
            [condition("icd10|I50.9", kind="encounter-diagnosis", encounter="stay")],
            2,
            id="of the index stay",
        ),
        pytest.param(
            [
                ed_visit(),
                condition("icd10|I50.9", kind="encounter-diagnosis", encounter="ed"),
            ],
            2,
            id="of its ED visit",
        ),
        pytest.param([condition("icd10|I50.9", recorded="03-10 15:00")], 2, id="in the stay"),
        pytest.param([condition("icd10|I50.9", recorded="03-10 18:01")], 0, id="after it"),
        pytest.param(
            [
                condition(
                    "icd10|I50.9",
                    kind="encounter-diagnosis",
                    encounter="stay",
                    recorded="03-10 18:01",
                )
            ],
            0,
            id="of the index stay, coded later",
        ),
        pytest.param(
            [
                visit("before", "IMP", "02-01 00:00", "02-03 00:00"),
                condition("icd10|I50.9", kind="encounter-diagnosis", encounter="before"),
            ],
            2,
            id="of an earlier stay",
        ),
    ],
)
def test_comorbidity_includes_the_index_stay(rows: list[Resource], points: int) -> None:
    assert item("charlson", score(*rows)) == points


def test_diagnoses_of_a_stay_in_progress_count_whatever_end_is_expected() -> None:
    row = stay(priority="EL", status="in-progress", end="05-01 00:00")
    proof = condition("icd10|I50.9", kind="encounter-diagnosis", encounter="stay")
    assert item("charlson", score(row, proof, now=moment("03-12 00:00"))) == 2


# T0 is 03-10 12:00; 183 days before it is 2023-09-09 12:00.
@pytest.mark.parametrize(
    ("starts", "points"),
    [
        ([], 0),
        (["02-01 00:00"], 1),
        (["02-01 00:00", "02-02 00:00"], 2),
        (["02-01 00:00", "02-02 00:00", "02-03 00:00"], 3),
        ([f"02-0{day} 00:00" for day in range(1, 5)], 4),
        ([f"02-0{day} 00:00" for day in range(1, 9)], 4),
        (["2023-09-09T12:00:00Z"], 1),
        (["2023-09-09T11:59:00Z"], 0),
    ],
)
def test_emergency_visits_of_six_months(starts: list[str], points: int) -> None:
    rows = [ed_visit(start, start, f"e{n}") for n, start in enumerate(starts)]
    assert item("ed_visits_six_months", score(*rows)) == points


def test_the_index_emergency_visit_is_left_out() -> None:
    assert item("ed_visits_six_months", score(ed_visit())) == 0
    assert item("ed_visits_six_months", score(ed_visit("03-10 12:00", "03-10 20:00"))) == 0


def test_a_full_score() -> None:
    visits = [ed_visit(f"02-0{n} 00:00", f"02-0{n} 02:00", f"e{n}") for n in range(1, 5)]
    answer = score(stay(priority="EM", end="03-24 12:00"), problems("C78.00"), visits)
    assert [each.points for each in answer.components] == [7, 3, 5, 4]
    assert answer.points == 19


@pytest.mark.parametrize(
    ("sources", "rows", "missing"),
    [
        (read_all_but(Condition="not_read"), [], ["Comorbidity (Charlson, LACE weights)"]),
        (read_all_but(Condition="partial"), [], ["Comorbidity (Charlson, LACE weights)"]),
        (
            read_all_but(Condition="partial"),
            problems("I50.9"),
            ["Comorbidity (Charlson, LACE weights)"],
        ),
        (read_all_but(Condition="partial"), problems("C78.00"), []),
        (
            read_all_but(Encounter="partial"),
            problems("C78.00"),
            ["ED visits in the six months before"],
        ),
        (read_all_but(Observation="not_read", Location="not_read"), [], []),
    ],
)
def test_an_item_that_cannot_be_told_is_missing_unless_it_is_full(
    sources: Sources, rows: list[Resource], missing: list[str]
) -> None:
    answer = score(stay(priority="EM"), rows, sources=sources)
    assert list(answer.missing) == missing
    assert answer.points == (None if missing else answer.at_least)
    assert answer.at_least == sum(each.points or 0 for each in answer.components)


def test_components_carry_words_date_and_references() -> None:
    answer = score(problems("I50.9", "F03.90"))
    (found,) = [each for each in answer.components if each.name == "charlson"]
    assert found.shown == "Comorbidity: dementia, congestive heart failure"
    assert found.date == "2024-01-01"
    assert set(found.references) == {"Condition/I50.9", "Condition/F03.90"}
