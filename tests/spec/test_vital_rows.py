"""MIMIC's two kinds of ED rows: `triage_*` reads the triage row, `ed_*_last` the serial ones."""

import pytest

from tests.spec.record import Resource, ed_visit, issue_codes, observations, procedure, stay, vector

KIND = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-"
ED = ed_visit(part_of="stay", identifier=[{"system": f"{KIND}ed"}])
STAY = stay(identifier=[{"system": f"{KIND}hosp"}])
TRIAGE = procedure("snomed|386478007", "03-10 08:00", "ed", id="t")
SERIAL = procedure("snomed|410188000", "03-10 09:00", "ed", id="s")
ROWS = [ED, STAY, TRIAGE, SERIAL]


@pytest.mark.parametrize(
    ("table", "triage", "last"),
    [
        pytest.param(
            """
            03-10 08:00 | 8867-4 | 88 | /min | part_of=Procedure/t
            03-10 08:00 | 8867-4 | 90 | /min | part_of=Procedure/s
            """,
            88,
            90,
            id="one of each at the same time",
        ),
        pytest.param(
            "03-10 08:00 | 8867-4 | 88 | /min | part_of=Procedure/t", 88, None, id="triage only"
        ),
        pytest.param(
            "03-10 08:30 | 8867-4 | 90 | /min | part_of=Procedure/s", None, 90, id="serial only"
        ),
        pytest.param(
            """
            03-10 08:00 | 8310-5 | 98.6 | [degF] | part_of=Procedure/t
            03-10 08:00 | 8867-4 | 88 | /min | part_of=Procedure/t
            03-10 08:05 | 8867-4 | 70 | /min | part_of=Procedure/s
            03-10 09:05 | 8867-4 | 75 | /min | part_of=Procedure/s
            """,
            88,
            75,
            id="the last serial row",
        ),
    ],
)
def test_each_feature_reads_its_rows(table: str, triage: float | None, last: float | None) -> None:
    answer = vector(ROWS, observations(table), profile="mimic")
    assert (answer["triage_heartrate"], answer["ed_heartrate_last"]) == (triage, last)
    assert not issue_codes(answer, "triage_heartrate")


@pytest.mark.parametrize("more", ["", "| part_of=Procedure/gone"])
def test_a_row_of_unknown_kind_is_neither_and_is_counted(more: str) -> None:
    table = f"03-10 08:00 | 8867-4 | 88 | /min {more}"
    answer = vector(ROWS, observations(table), profile="mimic")
    assert (answer["triage_heartrate"], answer["ed_heartrate_last"]) == (None, None)
    assert issue_codes(answer, "triage_heartrate") == {"row_kind_unknown"}


def test_without_an_ed_visit_the_kind_does_not_matter() -> None:
    table = "03-10 12:30 | 8867-4 | 88 | /min"
    answer = vector(STAY, observations(table), profile="mimic")
    assert (answer["triage_heartrate"], answer["ed_heartrate_last"]) == (88, 88)


@pytest.mark.parametrize("rows", [ROWS, [ED, STAY]])
def test_other_profiles_know_no_rows(rows: list[Resource]) -> None:
    table = """
        03-10 08:00 | 8867-4 | 88 | /min | part_of=Procedure/t
        03-10 08:30 | 8867-4 | 90 | /min | part_of=Procedure/s
        """
    answer = vector(rows, observations(table), profile="us_core")
    assert (answer["triage_heartrate"], answer["ed_heartrate_last"]) == (88, 90)


def test_the_row_procedures_are_no_procedures_of_the_stay() -> None:
    assert vector(ROWS, profile="mimic")["procedure_any"] == 0
