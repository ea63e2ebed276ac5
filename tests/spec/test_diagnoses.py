"""When a diagnosis is history: earlier stays by discharge, problems by when they were recorded."""

from typing import Any

import pytest

from tests.spec.record import (
    Resource,
    condition,
    ed_visit,
    issue_codes,
    moment,
    stay,
    value,
    vector,
    visit,
)

CHF = "icd10|I50.9"


def problem(**more: Any) -> Resource:
    return condition(CHF, kind="problem-list-item", **more)


def diagnosis(encounter: str | None, **more: Any) -> Resource:
    return condition(CHF, kind="encounter-diagnosis", encounter=encounter, **more)


def before(end: str | None, **more: Any) -> Resource:
    return visit("before", more.pop("class_", "IMP"), "2018-01-01T00:00:00Z", end, **more)


# T0 is 03-10 12:00; 1825 days before it is 2019-03-12 12:00.
@pytest.mark.parametrize(
    ("row", "answer"),
    [
        pytest.param(before("02-01 00:00"), 1, id="an earlier stay"),
        pytest.param(before("03-10 11:59"), 1, id="ending before T0"),
        pytest.param(before("03-10 12:00"), 0, id="ending at T0"),
        pytest.param(before("03-10 12:01"), 0, id="ending after T0"),
        pytest.param(before("2019-03-12T12:00:00Z"), 1, id="at the start of the window"),
        pytest.param(before("2019-03-12T11:59:59Z"), 0, id="before the window"),
        pytest.param(before("2019-03-12"), 1, id="on the first day of the window"),
        pytest.param(before("2024-03-10"), 0, id="on the day of T0"),
        pytest.param(before(None), 0, id="a stay without end"),
        pytest.param(before("02-01 00:00", class_="OBSENC"), 1, id="observation"),
        pytest.param(before("02-01 00:00", class_="EMER"), 0, id="an ED visit"),
        pytest.param(before("02-01 00:00", class_="AMB"), 0, id="a clinic visit"),
        pytest.param(before("02-01 00:00", status="cancelled"), 0, id="cancelled"),
        pytest.param(before("02-01 00:00", status="entered-in-error"), 0, id="in error"),
    ],
)
def test_diagnoses_of_earlier_stays_count_by_discharge(row: Resource, answer: float) -> None:
    assert value("cci_chf", row, diagnosis("before")) == answer


@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([diagnosis("stay")], 0, id="of the index stay"),
        pytest.param([ed_visit(), diagnosis("ed")], 0, id="of the index ED visit"),
        pytest.param(
            [before("02-01 00:00"), diagnosis("before", recorded="03-15 12:00")],
            1,
            id="coded late, but by the prediction time",
        ),
        pytest.param(
            [before("02-01 00:00"), diagnosis("before", recorded="03-15 12:01")],
            0,
            id="coded after it",
        ),
        pytest.param(
            [before("02-01 00:00"), diagnosis("before", verified="refuted")], 0, id="refuted"
        ),
        pytest.param(
            [before("02-01 00:00"), diagnosis("before", verified="entered-in-error")],
            0,
            id="entered in error",
        ),
        pytest.param(
            [before("02-01 00:00"), diagnosis("before", verified="confirmed")], 1, id="confirmed"
        ),
        pytest.param(
            [before("02-01 00:00"), diagnosis("before", clinical="resolved")],
            1,
            id="resolved since: it was a diagnosis then",
        ),
        pytest.param(
            [before("02-01 00:00"), condition(CHF, kind=None, encounter="before")],
            1,
            id="no category, but an encounter",
        ),
    ],
)
def test_diagnoses_of_encounters(rows: list[Resource], answer: float) -> None:
    assert value("cci_chf", *rows) == answer


@pytest.mark.parametrize("encounter", [None, "gone"])
def test_a_diagnosis_whose_encounter_is_unknown_is_left_out_and_counted(
    encounter: str | None,
) -> None:
    answer = vector(diagnosis(encounter, recorded="01-01 00:00"))
    assert answer["cci_chf"] == 0
    assert "diagnosis_without_visit" in issue_codes(answer)


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        pytest.param(problem(recorded="03-10 11:59"), 1, id="recorded before T0"),
        pytest.param(problem(recorded="03-10 12:00"), 0, id="recorded at T0"),
        pytest.param(problem(recorded="03-12 00:00"), 0, id="recorded in the stay"),
        pytest.param(problem(recorded="2024-03-09"), 1, id="the day before"),
        pytest.param(problem(recorded="2024-03-10"), 0, id="on the day"),
        pytest.param(problem(recorded="2001-01-01"), 1, id="long ago and active: it reaches in"),
        pytest.param(problem(onset="2020-05"), 1, id="begun before T0"),
        pytest.param(problem(onset="2020-05", recorded="03-12 00:00"), 0, id="recorded wins"),
        pytest.param(problem(onset="05-01 00:00", recorded="01-01 00:00"), 1, id="... either way"),
        pytest.param(problem(), None, id="no date: neither known before T0 nor absent"),
        pytest.param(problem(recorded="01-01 00:00", clinical="active"), 1, id="active"),
        pytest.param(problem(recorded="01-01 00:00", clinical="recurrence"), 1, id="recurrence"),
        pytest.param(problem(recorded="01-01 00:00", clinical="relapse"), 1, id="relapse"),
        pytest.param(problem(recorded="01-01 00:00", clinical="inactive"), 0, id="inactive"),
        pytest.param(problem(recorded="01-01 00:00", clinical="remission"), 0, id="remission"),
        pytest.param(problem(recorded="01-01 00:00", clinical="resolved"), 0, id="resolved"),
        pytest.param(
            problem(recorded="01-01 00:00", clinical="resolved", abated="03-10 12:00"),
            1,
            id="resolved after T0: active then",
        ),
        pytest.param(
            problem(recorded="01-01 00:00", clinical="resolved", abated="03-10 11:59"),
            0,
            id="resolved before T0",
        ),
        pytest.param(
            problem(recorded="01-01 00:00", clinical="active", abated="2024-02-01"),
            0,
            id="over by its date",
        ),
        pytest.param(
            problem(recorded="01-01 00:00", abated="2024-03-10"), 1, id="over on the day of T0"
        ),
        pytest.param(problem(recorded="01-01 00:00", verified="refuted"), 0, id="refuted"),
        pytest.param(
            problem(recorded="01-01 00:00", verified="entered-in-error"), 0, id="in error"
        ),
        pytest.param(problem(recorded="01-01 00:00", verified="provisional"), 1, id="provisional"),
        pytest.param(
            problem(recorded="01-01 00:00", encounter="stay"), 1, id="whatever its encounter"
        ),
        pytest.param(condition(CHF, kind=None, recorded="01-01 00:00"), 1, id="no category"),
        pytest.param(
            condition(CHF, kind="health-concern", recorded="01-01 00:00"), 0, id="a concern"
        ),
    ],
)
def test_problems_count_if_active_and_known_before_t0(row: Resource, answer: float | None) -> None:
    assert value("cci_chf", row) == answer


def test_an_unknown_category_code_is_no_category_but_a_nameless_one_is_none() -> None:
    row = problem(recorded="01-01 00:00") | {"category": [{"coding": [{"display": "Problems"}]}]}
    assert value("cci_chf", row) == 1


@pytest.mark.parametrize(
    ("class_", "usual", "synthea"),
    [("AMB", 0, 1), ("EMER", 0, 0), ("IMP", 1, 1)],
)
def test_synthea_records_lasting_diagnoses_at_any_visit(
    class_: str, usual: float, synthea: float
) -> None:
    rows = (before("02-01 00:00", class_=class_), diagnosis("before", recorded="01-02 00:00"))
    assert value("cci_chf", *rows) == usual
    assert value("cci_chf", *rows, profile="synthea") == synthea


def test_synthea_diagnoses_end() -> None:
    row = condition(CHF, kind=None, encounter="before", onset="01-02 00:00", abated="02-01 00:00")
    clinic = before("02-01 00:00", class_="AMB")
    assert value("cci_chf", clinic, row, profile="synthea") == 0


def test_the_index_ed_visit_moves_t0_and_with_it_the_window() -> None:
    rows = (ed_visit(), before("03-10 10:00"), diagnosis("before"))
    assert value("cci_chf", *rows) == 0
    assert value("cci_chf", *rows[1:]) == 1


def test_evidence_is_the_latest_proof() -> None:
    (row,) = vector(
        before("02-01 00:00"), diagnosis("before", id="a"), problem(id="b", recorded="01-01 00:00")
    ).evidence_for("cci_chf")
    assert (row.reference, row.received) == ("Condition/a", "I50.9")
    assert row.time == moment("02-01 00:00").isoformat()
    assert row.reason == "diagnosis of an earlier stay; latest of 2"


def test_later_conditions_change_nothing() -> None:
    later = [
        visit("after", "IMP", "04-01 00:00", "04-05 00:00"),
        diagnosis("after"),
        problem(id="p", recorded="04-02 00:00"),
        stay(),
    ]
    assert vector(*later).digest == vector().digest
