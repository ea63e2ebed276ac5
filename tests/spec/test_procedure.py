"""Procedures of the stay: which codes are on the list, and when they count."""

import pytest

from tests.spec.record import (
    Resource,
    at,
    issue_codes,
    procedure,
    read_all_but,
    value,
    vector,
)

MIMIC = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-procedure-icd"
DURING = "03-12 00:00"


@pytest.mark.parametrize(
    ("code", "answer"),
    [
        ("pcs|0DTJ4ZZ", 1),
        ("http://hl7.org/fhir/sid/icd-10-pcs|0DTJ4ZZ", 1),
        ("urn:oid:2.16.840.1.113883.6.4|0DTJ4ZZ", 1),
        ("icd9|47.01", 1),
        ("urn:oid:2.16.840.1.113883.6.104|47.01", 1),
        ("cpt|10003", 0),
        ("cpt|10004", 1),
        ("cpt|44970", 1),
        ("cpt|69990", 1),
        ("cpt|69991", 0),
        ("cpt|99223", 0),
        ("cpt|0042T", 0),
        ("cpt|044970", 0),
        ("snomed|430193006", None),
        ("urn:site|44970", None),
        (f"{MIMIC}10|0DTJ4ZZ", None),
    ],
)
def test_the_list(code: str, answer: float | None) -> None:
    found = vector(procedure(code, DURING))
    assert found["procedure_any"] == answer
    unlisted = {"procedure_codes_not_listed"} if answer is None else set()
    assert issue_codes(found, "procedure_any") == unlisted


@pytest.mark.parametrize("version", ["9", "10"])
def test_the_list_of_mimic(version: str) -> None:
    row = procedure(f"{MIMIC}{version}|4701", DURING)
    assert value("procedure_any", row, profile="mimic") == 1


# The stay is 03-10 12:00 to 03-15 12:00.
@pytest.mark.parametrize(
    ("rows", "answer"),
    [
        pytest.param([], 0, id="none"),
        pytest.param([procedure("cpt|44970", "03-15 12:00")], 1, id="at the prediction time"),
        pytest.param([procedure("cpt|44970", "03-15 12:01")], 0, id="after it"),
        pytest.param([procedure("cpt|44970", "03-09 12:00")], 1, id="of the stay, done before"),
        pytest.param([procedure("cpt|44970", None)], 0, id="no time"),
        pytest.param([procedure("cpt|44970", "2024-03-15")], 1, id="on the last day"),
        pytest.param([procedure("cpt|44970", DURING, "other")], 0, id="of another encounter"),
        pytest.param([procedure("cpt|44970", DURING, None)], 1, id="of none, in the stay"),
        pytest.param([procedure("cpt|44970", "03-10 12:00", None)], 1, id="of none, at admission"),
        pytest.param([procedure("cpt|44970", "03-10 11:59", None)], 0, id="of none, before"),
        pytest.param([procedure("cpt|44970", DURING, status="in-progress")], 0, id="in progress"),
        pytest.param([procedure("cpt|44970", DURING, status="not-done")], 0, id="not done"),
        pytest.param([procedure("cpt|44970", DURING, status="entered-in-error")], 0, id="in error"),
        pytest.param(
            [procedure("cpt|44970", None, performedPeriod={"start": at(DURING)})],
            1,
            id="over a period",
        ),
        pytest.param(
            [procedure("snomed|1", DURING), procedure("cpt|44970", DURING, id="b")],
            1,
            id="one listed among others",
        ),
        pytest.param(
            [procedure("snomed|1", DURING), procedure("cpt|99223", DURING, id="b")],
            None,
            id="one of them in an unknown code system",
        ),
        pytest.param(
            [procedure("snomed|1", DURING, "other")], 0, id="unlisted of another encounter"
        ),
    ],
)
def test_when_it_counts(rows: list[Resource], answer: float | None) -> None:
    assert value("procedure_any", *rows) == answer


def test_absence() -> None:
    sources = read_all_but(Procedure="not_read")
    assert value("procedure_any", sources=sources) is None
    assert value("procedure_any", procedure("cpt|44970", DURING), sources=sources) == 1
