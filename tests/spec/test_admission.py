"""Admission type, where the patient went, and the service of the stay."""

import pytest

from tests.spec.record import (
    Resource,
    concept,
    ed_visit,
    issue_codes,
    moment,
    read_all_but,
    stay,
    value,
    vector,
)

MIMIC_HOSP = [{"system": "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"}]


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        pytest.param([stay(priority="EM")], "emergency", id="EM"),
        pytest.param([stay(priority="UR")], "urgent", id="UR"),
        pytest.param([stay(priority="S")], "urgent", id="S: stat"),
        pytest.param([stay(priority="A")], "urgent", id="A: as soon as possible"),
        pytest.param([stay(priority="EL")], "elective", id="EL"),
        pytest.param([stay(priority="R")], "unknown", id="R: routine says nothing"),
        pytest.param([stay()], "unknown", id="nothing said"),
        pytest.param([stay(class_="OBSENC")], "observation", id="observation class"),
        pytest.param([stay(class_="OBSENC", priority="EM")], "observation", id="... whatever else"),
        pytest.param([stay(class_="SS")], "surgical_same_day", id="same-day surgery"),
        pytest.param([stay(class_="SS", priority="R")], "surgical_same_day", id="... routine"),
        pytest.param([stay(admit_source="emd")], "emergency", id="from an emergency department"),
        pytest.param([stay(admit_source="emd", priority="EL")], "elective", id="priority wins"),
        pytest.param([stay(admit_source="mp")], "unknown", id="from a doctor"),
        pytest.param([stay(), ed_visit()], "emergency", id="an ED visit led into it"),
        pytest.param([stay(priority="EL"), ed_visit()], "elective", id="... but it was said"),
        pytest.param([stay(priority="R"), ed_visit()], "emergency", id="... routine says nothing"),
    ],
)
def test_admission_type(rows: list[Resource], level: str) -> None:
    assert value("admission_type", *rows) == level


@pytest.mark.parametrize(
    ("admission", "class_", "priority", "level"),
    [
        ("EW EMER.", "EMER", "EM", "emergency"),
        ("URGENT", "AMB", "UR", "urgent"),
        ("ELECTIVE", "AMB", "EL", "elective"),
        ("SURGICAL SAME DAY ADMISSION", "SS", "R", "surgical_same_day"),
        ("EU OBSERVATION", "OBSENC", "R", "observation"),
        ("AMBULATORY OBSERVATION", "AMB", "R", "observation"),
    ],
)
def test_admission_types_of_mimic(admission: str, class_: str, priority: str, level: str) -> None:
    row = stay(class_=class_, priority=priority, identifier=MIMIC_HOSP)
    assert value("admission_type", row, profile="mimic") == level


def test_an_admission_type_not_said_is_missing_where_encounters_were_not_read() -> None:
    assert value("admission_type", sources=read_all_but(Encounter="not_read")) is None


HL7 = {
    "home": "home",
    "alt-home": "home",
    "other-hcf": "other_facility",
    "hosp": "hospice",
    "long": "other_facility",
    "aadvice": "ama",
    "exp": "died",
    "psy": "psych",
    "rehab": "rehab",
    "snf": "snf",
    "oth": "other",
}
NUBC = {
    "01": "home",
    "02": "acute_hospital",
    "03": "snf",
    "04": "other_facility",
    "05": "acute_hospital",
    "06": "home_health",
    "07": "ama",
    "09": "unknown",
    "20": "died",
    "21": "other",
    "30": "unknown",
    "40": "died",
    "41": "died",
    "42": "died",
    "43": "acute_hospital",
    "50": "hospice",
    "51": "hospice",
    "61": "snf",
    "62": "rehab",
    "63": "ltac",
    "64": "snf",
    "65": "psych",
    "66": "acute_hospital",
    "70": "acute_hospital",
    "81": "home",
    "82": "acute_hospital",
    "83": "snf",
    "84": "other_facility",
    "85": "acute_hospital",
    "86": "home_health",
    "87": "other",
    "88": "acute_hospital",
    "89": "snf",
    "90": "rehab",
    "91": "ltac",
    "92": "snf",
    "93": "psych",
    "94": "acute_hospital",
    "95": "acute_hospital",
}
MIMIC = {
    "HOME": "home",
    "HOME HEALTH CARE": "home_health",
    "SKILLED NURSING FACILITY": "snf",
    "REHAB": "rehab",
    "CHRONIC/LONG TERM ACUTE CARE": "ltac",
    "HOSPICE": "hospice",
    "DIED": "died",
    "AGAINST ADVICE": "ama",
    "PSYCH FACILITY": "psych",
    "ACUTE HOSPITAL": "acute_hospital",
    "OTHER FACILITY": "other_facility",
    "HEALTHCARE FACILITY": "other_facility",
    "ASSISTED LIVING": "other_facility",
    "ADMITTED": "unknown",
}


@pytest.mark.parametrize(("code", "level"), [*HL7.items(), *NUBC.items(), ("elsewhere", "unknown")])
def test_discharge_location(code: str, level: str) -> None:
    assert value("discharge_location", stay(disposition=code)) == level


@pytest.mark.parametrize(("code", "level"), MIMIC.items())
def test_discharge_locations_of_mimic(code: str, level: str) -> None:
    local = f"mimic:mimic-discharge-disposition|{code}"
    row = stay(disposition=local, identifier=MIMIC_HOSP)
    assert value("discharge_location", row, profile="mimic") == level


def test_discharge_location_is_missing_before_discharge() -> None:
    row = stay(status="in-progress", end=None, disposition="home")
    assert value("discharge_location", row, now=moment("03-12 00:00")) is None
    assert value("discharge_location", stay()) == "unknown"


def test_the_second_coding_counts_where_the_first_is_unknown() -> None:
    both = {"coding": [{"system": "urn:site", "code": "X"}, {"code": "snf"}]}
    row = stay(hospitalization={"dischargeDisposition": both})
    assert value("discharge_location", row) == "snf"


@pytest.mark.parametrize(
    ("code", "level", "understood"),
    [
        ("nubc|20", "died", True),
        ("http://www.nubc.org/patient-discharge|20", "died", True),
        ("|20", "died", True),
        ("urn:site|20", "unknown", False),
        ("nubc|30", "unknown", False),
        ("mimic:mimic-discharge-disposition|DIED", "unknown", False),
        (None, "unknown", True),
    ],
    ids=["NUBC", "an older URI", "no system", "a site's own", "no level", "MIMIC's", "not said"],
)
def test_only_codes_of_systems_that_the_profile_lists_are_understood(
    code: str | None, level: str, understood: bool
) -> None:
    answer = vector(stay(disposition=code))
    assert answer["discharge_location"] == level
    assert ("disposition_not_understood" in issue_codes(answer)) is not understood


def test_nor_are_words() -> None:
    row = stay(hospitalization={"dischargeDisposition": concept(text="Home with services")})
    assert "disposition_not_understood" in issue_codes(vector(row))


@pytest.mark.parametrize("code", ["urn:site|EM", "source|EM"])
def test_the_same_holds_for_the_priority(code: str) -> None:
    assert value("admission_type", stay(priority=code)) == "unknown"


@pytest.mark.parametrize(
    ("service", "answer"),
    [
        (concept("snomed|394593009"), 1),
        (concept("snomed|394592004"), 1),
        (concept("snomed|394803006"), 1),
        (concept(text="Medical Oncology"), 1),
        (concept("urn:site|17|Hematology/Oncology"), 1),
        (concept("snomed|394579002|Cardiology"), 0),
        (concept("urn:site|17"), 0),
        (concept(text="Surgery"), 0),
        ({}, None),
        (None, None),
    ],
)
def test_oncology_service(service: Resource | None, answer: float | None) -> None:
    row = stay(serviceType=service) if service is not None else stay()
    assert value("oncology_service", row) == answer


@pytest.mark.parametrize(("code", "answer"), [("OMED", 1), ("MED", 0)])
def test_oncology_service_of_mimic(code: str, answer: float) -> None:
    service = concept(f"http://mimic.mit.edu/fhir/mimic/CodeSystem/mimic-services|{code}")
    row = stay(serviceType=service, identifier=MIMIC_HOSP)
    assert value("oncology_service", row, profile="mimic") == answer
