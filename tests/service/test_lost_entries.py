"""What cannot be used must not look like nothing: a lost entry leaves its type partly read."""

import json
from typing import Any

import pytest

from cds_service.answering import assessed
from cds_service.assessment import NotScored, Scored
from cds_service.errors import WrongPatientError
from cds_service.hooks.call import read_call
from cds_service.services import offered
from cds_service.settings import READMISSION, Settings
from fhir_mapping.extract import FeatureVector
from tests.service.answering import first_card, occasion
from tests.service.requests import example, gathered, now

ASSESSOR = offered(Settings().bundles, ())[READMISSION].assessor
PATIENT = "margaret-heart-failure-patient-1"


def request() -> dict[str, Any]:
    return example("margaret-heart-failure")


def entries(made: dict[str, Any], key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = made["prefetch"][key]["entry"]
    return found


def answered(made: dict[str, Any]) -> Scored | NotScored:
    return assessed(read_call(json.dumps(made).encode(), now()), ASSESSOR)


def vector(made: dict[str, Any]) -> FeatureVector:
    found = answered(made).vector
    assert found
    return found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entry: entry["resource"].update(recordedDate=5),
        lambda entry: entry.update(resource="text"),
        lambda entry: entry["resource"].update(subject=None),
        lambda entry: entry["resource"].update(subject={"identifier": {"value": "x"}}),
        lambda entry: entry.update(
            resource={"resourceType": "OperationOutcome", "issue": [{"severity": "error"}]}
        ),
        lambda entry: entry.update(resource={"resourceType": "Bundle", "type": "searchset"}),
    ],
    ids=["wrong type", "text", "no subject", "subject by identifier", "outcome", "nested Bundle"],
)
def test_conditions_that_cannot_be_used_are_no_absence(spoil: Any) -> None:
    made = request()
    for entry in entries(made, "conditions"):
        spoil(entry)
    assert gathered(made).sources["Condition"] == "partial"
    found = vector(made)
    assert found["cci_chf"] is None
    assert found.coverage.groups["diagnoses"][0] == 0
    detail = first_card(answered(made), occasion(ASSESSOR.bundle)).detail
    assert "**Read in part:** Condition (comorbidities)" in detail
    assert "Heart failure" not in detail.partition("**Not in the record:**")[2]


def test_what_was_not_read_is_not_called_absent() -> None:
    made = request()
    del made["prefetch"]["conditions"]
    detail = first_card(answered(made), occasion(ASSESSOR.bundle)).detail
    assert "**Not read:** Condition (comorbidities)" in detail
    assert "Dementia" not in detail


@pytest.mark.parametrize("status", ["cancelled", "entered-in-error"])
def test_the_stay_read_by_its_id_counts_not_its_copy_in_a_search(status: str) -> None:
    made = request()
    made["prefetch"]["encounter"]["status"] = status
    found = answered(made)
    assert isinstance(found, NotScored)
    assert found.reason == "encounter_cancelled"


def test_a_non_acute_stay_is_no_index_stay() -> None:
    made = request()
    made["prefetch"]["encounter"]["class"]["code"] = "NONAC"
    found = answered(made)
    assert isinstance(found, NotScored)
    assert found.reason == "not_acute"


def test_many_spellings_of_units_are_not_all_looked_up() -> None:
    made = request()
    observed = [e["resource"] for e in entries(made, "observations")]
    sodium = [each for each in observed if each["code"]["coding"][0]["code"] == "2951-2"]
    for number in range(300):
        odd = {**sodium[0], "id": f"odd-{number}"}
        odd["valueQuantity"] = {"value": 140, "code": f"mmol/L{{{number}}}", "unit": "odd"}
        entries(made, "observations").append({"resource": odd, "search": {"mode": "match"}})
    made["prefetch"]["observations"]["total"] += 300
    assert any(issue.code == "unit_unknown" for issue in vector(made).issues)


@pytest.mark.parametrize(
    "subject",
    [
        "Patient/OTHER",
        "Patient/OTHER/",
        "Patient/OTHER#/",
        "Patient/OTHER/_history/2",
        "https://ehr.example/fhir/Patient/OTHER",
        "urn:uuid:OTHER",
        f"Group/{PATIENT}",
        f"patient/{PATIENT}",
        "OTHER",
    ],
)
@pytest.mark.parametrize("damage", [{}, {"id": 5}, {"recordedDate": []}], ids=str)
def test_no_spelling_of_another_patient_gets_past(subject: str, damage: dict[str, Any]) -> None:
    made = request()
    stranger = {"resourceType": "Condition", "id": "c", "subject": {"reference": subject}} | damage
    entries(made, "conditions").append({"resource": stranger, "search": {"mode": "match"}})
    with pytest.raises(WrongPatientError):
        answered(made)


def test_a_broken_patient_resource_of_somebody_else_is_a_hard_stop() -> None:
    made = request()
    other = {"resourceType": "Patient", "id": "OTHER", "gender": 7}
    entries(made, "conditions").append({"resource": other, "search": {"mode": "match"}})
    with pytest.raises(WrongPatientError):
        answered(made)
