"""Vital signs: units, bounds, comparators, components. Which one is chosen is in test_vitals.py."""

import pytest

from tests.spec.record import ed_visit, issue_codes, observation, observations, value, vector

ED = ed_visit()
CODES = {
    "temperature": "8310-5",
    "heartrate": "8867-4",
    "resprate": "9279-1",
    "o2sat": "59408-5",
    "sbp": "8480-6",
    "dbp": "8462-4",
}


@pytest.mark.parametrize(
    ("vital", "received", "unit", "answer", "issue"),
    [
        ("temperature", "37", "Cel", 37, None),
        ("temperature", "37", "degC", 37, None),
        ("temperature", "37", "°C", 37, None),
        ("temperature", "98.6", "[degF]", 37, None),
        ("temperature", "98.6", "degF", 37, None),
        ("temperature", "98.6", "°F", 37, None),
        ("temperature", "95", "[degF]", 35, None),
        ("temperature", "310.15", "K", 37, None),
        ("temperature", "37", "[degF]", 37, "celsius_labelled_fahrenheit"),
        ("temperature", "25", "[degF]", 26, "celsius_labelled_fahrenheit clipped"),
        ("temperature", "46", "[degF]", 45, "celsius_labelled_fahrenheit clipped"),
        ("temperature", "46.1", "[degF]", None, "implausible"),
        ("temperature", "98.6", "Cel", None, "implausible"),
        ("temperature", "37", "", None, "unit_missing"),
        ("temperature", "37", "grad", None, "unit_unknown"),
        ("temperature", "37", "/min", None, "unit_unknown"),
        ("heartrate", "88", "/min", 88, None),
        ("heartrate", "88", "{beats}/min", 88, None),
        ("heartrate", "88", "{Beats}/min", 88, None),
        ("heartrate", "88", "1/min", 88, None),
        ("heartrate", "88", "bpm", 88, None),
        ("heartrate", "88", "beats/min", 88, None),
        ("heartrate", "2", "/s", 120, None),
        ("heartrate", "88", "", None, "unit_missing"),
        ("heartrate", "88", "per minute", None, "unit_unknown"),
        ("heartrate", "88", "Cel", None, "unit_unknown"),
        ("heartrate", "88", "10*99999999/min", None, "unit_unknown"),
        ("heartrate", "88", "((((((((((((", None, "unit_unknown"),
        ("heartrate", "88", "x" * 5000, None, "unit_unknown"),
        ("resprate", "16", "{breaths}/min", 16, None),
        ("resprate", "16", "breaths/min", 16, None),
        ("o2sat", "97", "%", 97, None),
        ("o2sat", "0.97", "1", 97, None),
        ("o2sat", "0.97", "%", 97, "fraction_labelled_percent"),
        ("o2sat", "1", "%", 100, "fraction_labelled_percent"),
        ("o2sat", "97", "", None, "unit_missing"),
        ("sbp", "120", "mm[Hg]", 120, None),
        ("sbp", "120", "mmHg", 120, None),
        ("sbp", "16", "kPa", 120.009852, None),
        ("sbp", "120", "cm", None, "unit_unknown"),
    ],
)
def test_units(
    vital: str, received: str, unit: str, answer: float | None, issue: str | None
) -> None:
    table = f"03-10 08:10 | {CODES[vital]} | {received} | {unit}"
    for name in (f"triage_{vital}", f"ed_{vital}_last"):
        found = vector(ED, observations(table))
        assert found[name] == (None if answer is None else pytest.approx(answer, abs=1e-6))
        assert issue_codes(found, name) == set((issue or "").split())


@pytest.mark.parametrize(
    ("vital", "received", "answer", "issue"),
    [
        ("temperature", "14.1 | Cel", None, "implausible"),
        ("temperature", "14.2 | Cel", 26, "clipped"),
        ("temperature", "25.9 | Cel", 26, "clipped"),
        ("temperature", "26 | Cel", 26, None),
        ("temperature", "45 | Cel", 45, None),
        ("temperature", "45.1 | Cel", 45, "clipped"),
        ("temperature", "47 | Cel", 45, "clipped"),
        ("temperature", "47.1 | Cel", None, "implausible"),
        ("heartrate", "-1 | /min", None, "implausible"),
        ("heartrate", "0 | /min", None, "implausible"),
        ("heartrate", "1 | /min", 1, None),
        ("heartrate", "350 | /min", 350, None),
        ("heartrate", "351 | /min", 350, "clipped"),
        ("heartrate", "390 | /min", 350, "clipped"),
        ("heartrate", "391 | /min", None, "implausible"),
        ("heartrate", "1e300 | /min", None, "implausible"),
        ("resprate", "0 | /min", None, "implausible"),
        ("resprate", "301 | /min", 300, "clipped"),
        ("resprate", "330 | /min", 300, "clipped"),
        ("resprate", "331 | /min", None, "implausible"),
        ("o2sat", "0 | %", None, "implausible"),
        ("o2sat", "1.1 | %", 1.1, None),
        ("o2sat", "100 | %", 100, None),
        ("o2sat", "100.1 | %", None, "implausible"),
        ("sbp", "0 | mm[Hg]", None, "implausible"),
        ("sbp", "375 | mm[Hg]", 375, None),
        ("sbp", "376 | mm[Hg]", None, "implausible"),
        ("dbp", "0 | mm[Hg]", None, "implausible"),
        ("dbp", "375 | mm[Hg]", 375, None),
        ("dbp", "376 | mm[Hg]", None, "implausible"),
    ],
)
def test_bounds(vital: str, received: str, answer: float | None, issue: str | None) -> None:
    found = vector(ED, observations(f"03-10 08:10 | {CODES[vital]} | {received}"))
    for name in (f"triage_{vital}", f"ed_{vital}_last"):
        assert found[name] == answer
        assert issue_codes(found, name) == ({issue} if issue else set())


def test_no_record_has_more_than_thirty_spellings_of_units() -> None:
    rows = [
        observation("03-10 08:10", "8867-4", "88", f"/min{{a{n}}}", id=f"o{n}") for n in range(40)
    ]
    (row,) = vector(ED, rows).evidence_for("triage_heartrate")
    assert row.reason == "first of 30 usable in the window"


@pytest.mark.parametrize("comparator", ["<", "<=", ">", ">="])
def test_a_comparator_is_no_number(comparator: str) -> None:
    found = vector(ED, observations(f"03-10 08:10 | 59408-5 | {comparator}90 | %"))
    assert found["triage_o2sat"] is None
    assert issue_codes(found, "triage_o2sat") == {"comparator"}


@pytest.mark.parametrize("received", ['"88"', '"fast"'])
def test_words_are_no_vital_sign(received: str) -> None:
    found = vector(ED, observations(f"03-10 08:10 | 8867-4 | {received}"))
    assert found["triage_heartrate"] is None
    assert issue_codes(found, "triage_heartrate") == {"value_not_numeric"}


@pytest.mark.parametrize(
    "code", ["8310-5", "8331-1", "8332-9", "8333-7"], ids=["body", "oral", "rectal", "ear"]
)
def test_temperature_codes(code: str) -> None:
    assert value("triage_temperature", ED, observations(f"03-10 08:10 | {code} | 37 | Cel")) == 37


@pytest.mark.parametrize("code", ["59408-5", "2708-6"])
def test_oxygen_saturation_codes(code: str) -> None:
    assert value("triage_o2sat", ED, observations(f"03-10 08:10 | {code} | 97 | %")) == 97


@pytest.mark.parametrize(
    "table",
    [
        "03-10 08:10 | 85354-9 | 120/80 | mm[Hg]",
        "03-10 08:10 | 55284-4 | 120/80 | mm[Hg]",
        "03-10 08:10 | 8716-3  | 120/80 | mm[Hg]",
        "03-10 08:10 | 85354-9 | 16.0/10.7 | kPa",
        """
        03-10 08:10 | 8480-6 | 120 | mm[Hg]
        03-10 08:10 | 8462-4 | 80  | mm[Hg]
        """,
    ],
    ids=["panel", "older panel", "vital signs panel", "in kPa", "each alone"],
)
def test_blood_pressure_comes_as_a_panel_or_alone(table: str) -> None:
    found = vector(ED, observations(table))
    assert found["triage_sbp"] == pytest.approx(120, abs=0.05)
    assert found["triage_dbp"] == pytest.approx(80, abs=0.3)
    assert found["triage_map"] == pytest.approx(93.333333, abs=0.3)


def test_half_a_blood_pressure_has_no_mean() -> None:
    row = observation("03-10 08:10", "85354-9", "120/80", "mm[Hg]")
    row["component"][1]["valueQuantity"] = {"unit": "mm[Hg]"}
    found = vector(ED, row)
    assert (found["triage_sbp"], found["triage_dbp"], found["triage_map"]) == (120, None, None)


def test_the_coded_unit_counts_before_the_written_one() -> None:
    row = observation("03-10 08:10", "8310-5", "98.6")
    row["valueQuantity"] |= {"unit": "Cel", "code": "[degF]", "system": "http://unitsofmeasure.org"}
    assert value("triage_temperature", ED, row) == 37


def test_a_second_code_that_says_the_same_does_not_count_twice() -> None:
    row = observation("03-10 08:10", "8310-5", "37", "Cel")
    row["code"]["coding"].append({"system": "http://loinc.org", "code": "8331-1"})
    (evidence,) = vector(ED, row).evidence_for("triage_temperature")
    assert evidence.reason == "first of 1 usable in the window"
