"""Haemoglobin and sodium: the last usable value of the stay, by patient."""

import pytest

from tests.spec.record import (
    ed_visit,
    issue_codes,
    moment,
    observation,
    observations,
    stay,
    value,
    vector,
)

HB, NA = "hemoglobin_last", "sodium_last"


# T0 is 03-10 12:00, or 08:00 with the ED visit; the prediction time is 03-15 12:00.
@pytest.mark.parametrize(
    ("table", "answer"),
    [
        pytest.param("", None, id="nothing"),
        pytest.param("03-12 06:00 | 718-7 | 9.5 | g/dL", 9.5, id="one"),
        pytest.param(
            """
            03-11 06:00 | 718-7 | 9.5  | g/dL
            03-14 06:00 | 718-7 | 10.5 | g/dL
            03-12 06:00 | 718-7 | 8.5  | g/dL
            """,
            10.5,
            id="the last",
        ),
        pytest.param(
            """
            03-12 06:00 | 718-7 | 9.5 | g/dL
            03-13 06:00 | 718-7 | 99  | g/dL
            03-14 06:00 | 718-7 | 9.1 | furlong
            03-14 07:00 | 718-7 | <5  | g/dL
            03-14 08:00 | 718-7 | "clotted"
            03-14 09:00 | 718-7 | 8.0 | g/dL | status=preliminary
            03-14 10:00 | 718-7 |     |
            """,
            9.5,
            id="the last usable",
        ),
        pytest.param("03-10 12:00 | 718-7 | 9.5 | g/dL", 9.5, id="at T0"),
        pytest.param("03-10 11:59 | 718-7 | 9.5 | g/dL", None, id="before T0"),
        pytest.param("03-15 12:00 | 718-7 | 9.5 | g/dL", 9.5, id="at the prediction time"),
        pytest.param("03-15 12:01 | 718-7 | 9.5 | g/dL", None, id="after it"),
        pytest.param(
            "03-15 11:00 | 718-7 | 9.5 | g/dL | issued=03-15 13:00", None, id="issued after it"
        ),
        pytest.param("2024-03-15 | 718-7 | 9.5 | g/dL", 9.5, id="on its day"),
        pytest.param(
            """
            03-14 06:00 | 718-7   | 9.5  | g/dL
            03-15 06:00 | 59260-0 | 5.0  | mmol/L
            """,
            8.0573,
            id="whatever the code",
        ),
    ],
)
def test_the_last_usable_value_of_the_stay(table: str, answer: float | None) -> None:
    found = value(HB, observations(table))
    assert found == (None if answer is None else pytest.approx(answer, abs=1e-4))


def test_the_emergency_department_counts_to_the_stay() -> None:
    row = observations("03-10 08:30 | 718-7 | 9.5 | g/dL")
    assert value(HB, ed_visit(), row) == 9.5
    assert value(HB, row) is None


@pytest.mark.parametrize("encounter", [None, "stay", "another"])
def test_by_patient_whatever_the_encounter(encounter: str | None) -> None:
    row = observation("03-12 06:00", "718-7", "9.5", "g/dL")
    row |= {"encounter": {"reference": f"Encounter/{encounter}"}} if encounter else {}
    assert value(HB, row) == 9.5


def test_before_discharge_as_of_the_clock() -> None:
    rows = (
        stay(status="in-progress", end=None),
        observations("""
            03-12 06:00 | 718-7 | 9.5 | g/dL
            03-13 06:00 | 718-7 | 8.5 | g/dL
            """),
    )
    assert value(HB, *rows, now=moment("03-12 12:00")) == 9.5
    assert value(HB, *rows, now=moment("03-13 12:00")) == 8.5


@pytest.mark.parametrize(
    ("code", "received", "answer", "issue"),
    [
        ("718-7", "9.5 | g/dL", 9.5, None),
        ("718-7", "95 | g/L", 9.5, None),
        ("718-7", "5.9 | mmol/L", 9.50756, None),
        ("718-7", "9500 | mg/dL", 9.5, None),
        ("30313-1", "9.5 | g/dL", 9.5, None),
        ("20509-6", "9.5 | g/dL", 9.5, None),
        ("59260-0", "5.9 | mmol/L", 9.50756, None),
        ("718-7", "9.5", None, "unit_missing"),
        ("718-7", "9.5 | gm%", None, "unit_unknown"),
        ("718-7", "9.5 | /min", None, "unit_unknown"),
        ("718-7", "0 | g/dL", 1, "clipped"),
        ("718-7", "25.1 | g/dL", 25, "clipped"),
        ("718-7", "30 | g/dL", 25, "clipped"),
        ("718-7", "30.1 | g/dL", None, "implausible"),
        ("718-7", "-1 | g/dL", None, "implausible"),
        ("718-7", '"9.5"', None, "value_not_numeric"),
        ("4548-4", "9.5 | g/dL", None, None),
    ],
)
def test_haemoglobin(code: str, received: str, answer: float | None, issue: str | None) -> None:
    found = vector(observations(f"03-12 06:00 | {code} | {received}"))
    assert found[HB] == (None if answer is None else pytest.approx(answer, abs=1e-4))
    assert issue_codes(found, HB) == ({issue} if issue else set())


@pytest.mark.parametrize(
    ("code", "received", "answer", "issue"),
    [
        ("2951-2", "134 | mmol/L", 134, None),
        ("2947-0", "134 | mmol/L", 134, None),
        ("2951-2", "134 | meq/L", 134, None),
        ("2951-2", "134 | mEq/L", 134, None),
        ("2951-2", "0.134 | mol/L", 134, None),
        ("2951-2", "308.0629 | mg/dL", 134, None),
        ("2951-2", "134", None, "unit_missing"),
        ("2951-2", "49.9 | mmol/L", None, "implausible"),
        ("2951-2", "50 | mmol/L", 90, "clipped"),
        ("2951-2", "250 | mmol/L", 200, "clipped"),
        ("2951-2", "250.1 | mmol/L", None, "implausible"),
        ("2951-2", "134 | mm[Hg]", None, "unit_unknown"),
    ],
)
def test_sodium(code: str, received: str, answer: float | None, issue: str | None) -> None:
    found = vector(observations(f"03-12 06:00 | {code} | {received}"))
    assert found[NA] == (None if answer is None else pytest.approx(answer, abs=1e-3))
    assert issue_codes(found, NA) == ({issue} if issue else set())


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("51222", HB),
        ("50811", HB),
        ("51640", HB),
        ("50983", NA),
        ("52623", NA),
        ("50824", NA),
        ("52455", NA),
    ],
)
def test_item_ids_of_mimic(item: str, name: str) -> None:
    system = "http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-d-labitems"
    unit = "g/dL" if name == HB else "mEq/L"
    received = "9.5" if name == HB else "134"
    row = observation("03-12 06:00", f"{system}|{item}", received, unit)
    mimic = stay(
        identifier=[{"system": "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"}]
    )
    assert value(name, mimic, row, profile="mimic") == float(received)
    assert value(name, mimic, row, profile="us_core") is None
