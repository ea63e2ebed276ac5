"""Age, sex, race and ethnicity, arrival."""

from typing import Any

import pytest

from tests.spec.record import (
    Resource,
    ed_visit,
    issue_codes,
    patient,
    read_all_but,
    stay,
    value,
    vector,
)

MIMIC = "mimic:mimic-admit-source"
US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-"


@pytest.mark.parametrize(
    ("born", "admitted", "profile", "years"),
    [
        ("1950-06-15", "2024-06-14T12:00:00Z", "us_core", 73),
        ("1950-06-15", "2024-06-15T00:00:00Z", "us_core", 74),
        ("1950-06-15", "2024-06-15T03:59:00Z", "synthea", 73),
        ("1950-06-15", "2024-06-15T04:00:00Z", "synthea", 74),
        ("1952-02-29", "2023-02-28T12:00:00Z", "us_core", 70),
        ("1952-02-29", "2023-03-01T12:00:00Z", "us_core", 71),
        ("1952-02-29", "2024-02-28T12:00:00Z", "us_core", 71),
        ("1952-02-29", "2024-02-29T12:00:00Z", "us_core", 72),
        ("2024-03-10", "2024-03-10T12:00:00Z", "us_core", 0),
        ("2007-03-10", "2024-03-10T12:00:00Z", "us_core", 17),
        ("1904-03-10", "2024-03-10T12:00:00Z", "us_core", 120),
    ],
)
def test_age_is_in_completed_years_at_t0(
    born: str, admitted: str, profile: str, years: float
) -> None:
    rows = (patient(birthDate=born), stay(admitted, "2024-07-01T00:00:00Z"))
    answer = vector(*rows, profile=profile)
    assert answer["age"] == years
    assert not issue_codes(answer, "age")


def test_age_is_that_at_t0_not_at_admission() -> None:
    rows = (patient(birthDate="1950-03-10"), ed_visit("03-09 23:00", "03-10 12:00"))
    assert value("age", *rows) == 73


@pytest.mark.parametrize(
    ("born", "years", "issue"),
    [
        ("1950", 73, "birth_date_partial"),
        ("1950-03", 73, "birth_date_partial"),
        ("1950-02", 74, "birth_date_partial"),
        ("1903-03-10", None, "implausible"),
        ("2024-03-11", None, "implausible"),
        ("about 1950", None, None),
        (None, None, None),
    ],
    ids=["a year is its last day", "a month too", "February", "121", "unborn", "words", "none"],
)
def test_partial_and_impossible_birth_dates(
    born: str | None, years: float | None, issue: str | None
) -> None:
    answer = vector(patient(birthDate=born))
    assert answer["age"] == years
    assert issue_codes(answer, "age") == ({issue} if issue else set())


def birth_sex(code: str) -> Resource:
    return {"url": f"{US_CORE}birthsex", "valueCode": code}


@pytest.mark.parametrize(
    ("fields", "sex"),
    [
        ({"gender": "male"}, "M"),
        ({"gender": "female"}, "F"),
        ({"gender": "other"}, "other"),
        ({"gender": "unknown"}, "unknown"),
        ({"gender": None}, "unknown"),
        ({"gender": "Male"}, "unknown"),
        ({"gender": "unknown", "extension": [birth_sex("F")]}, "F"),
        ({"gender": None, "extension": [birth_sex("M")]}, "M"),
        ({"gender": None, "extension": [birth_sex("UNK")]}, "unknown"),
        ({"gender": "male", "extension": [birth_sex("F")]}, "M"),
        ({"gender": "other", "extension": [birth_sex("F")]}, "other"),
    ],
)
def test_sex(fields: dict[str, Any], sex: str) -> None:
    assert value("gender", patient(**fields)) == sex


def omb(kind: str, *codes: str) -> Resource:
    system = "urn:oid:2.16.840.1.113883.6.238"
    parts = [
        {"url": "ombCategory", "valueCoding": {"system": system, "code": code}} for code in codes
    ]
    return {"url": f"{US_CORE}{kind}", "extension": [*parts, {"url": "text", "valueString": "t"}]}


@pytest.mark.parametrize(
    ("extension", "level"),
    [
        ([omb("race", "2106-3")], "white"),
        ([omb("race", "2054-5")], "black"),
        ([omb("race", "2028-9")], "asian"),
        ([omb("race", "1002-5")], "native_american"),
        ([omb("race", "2076-8")], "pacific_islander"),
        ([omb("race", "2131-1")], "other"),
        ([omb("race", "OTH")], "other"),
        ([omb("race", "UNK")], "unknown"),
        ([omb("race", "ASKU")], "unknown"),
        ([omb("race", "2106-3", "2054-5")], "other"),
        ([omb("race", "2106-3", "UNK")], "white"),
        ([omb("race", "2106-3"), omb("ethnicity", "2135-2")], "hispanic"),
        ([omb("ethnicity", "2135-2")], "hispanic"),
        ([omb("race", "2054-5"), omb("ethnicity", "2186-5")], "black"),
        ([omb("ethnicity", "2186-5")], "unknown"),
        ([{"url": f"{US_CORE}race"}], "unknown"),
        ([], "unknown"),
    ],
)
def test_ethnicity_comes_before_race_and_several_races_are_other(
    extension: list[Resource], level: str
) -> None:
    assert value("ethnicity", patient(extension=extension)) == level


@pytest.mark.parametrize(
    ("code", "level"),
    [
        ("WALK IN", "walk_in"),
        ("AMBULANCE", "ambulance"),
        ("HELICOPTER", "helicopter"),
        ("OTHER", "other"),
        ("UNKNOWN", "unknown"),
        ("EMERGENCY ROOM", "unknown"),
        (None, "unknown"),
    ],
)
def test_arrival_is_read_on_the_ed_visit(code: str | None, level: str) -> None:
    ed = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-ed"
    hosp = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"
    rows = (
        ed_visit(admit_source=code and f"{MIMIC}|{code}", identifier=[{"system": ed}]),
        stay(admit_source=f"{MIMIC}|HELICOPTER", identifier=[{"system": hosp}]),
    )
    assert value("arrival_transport", *rows, profile="mimic") == level
    assert value("arrival_transport", rows[1], profile="mimic") == "unknown"


def test_hl7_admit_sources_do_not_say_how_the_patient_came() -> None:
    assert value("arrival_transport", ed_visit(admit_source="emd")) == "unknown"


def test_a_patient_not_read_is_unknown_to_nobody() -> None:
    sources = read_all_but(Patient="not_read")
    assert value("gender", patient(gender=None), sources=sources) is None
    assert value("gender", patient(gender="male"), sources=sources) == "M"
