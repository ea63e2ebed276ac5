"""Bytes into resources: what is used, what is malformed, which version counts, whose it is."""

import json

import msgspec
import pytest

from fhir_mapping.errors import PatientError
from fhir_mapping.history import DataIssue
from fhir_mapping.reading import history_of
from fhir_mapping.resources import (
    AnyResource,
    decode,
    decode_contained_medication,
    id_of,
    latest_versions,
    type_of,
)
from fhir_mapping.subjects import subject_of, subject_of_malformed
from tests.spec.record import Resource, ed_visit, observations, patient, value, visit


@pytest.mark.parametrize(
    ("reference", "id_"),
    [
        ("Patient/p", "p"),
        ("https://ehr.example/fhir/Patient/p", "p"),
        ("Patient/p/_history/3", "p"),
        ("urn:uuid:0b1c", "0b1c"),
        ("Location?identifier=urn:site|4W", "urn:site|4W"),
        ("p", "p"),
        ("", ""),
        (None, ""),
    ],
)
def test_the_id_in_a_reference(reference: str | None, id_: str) -> None:
    assert id_of(reference) == id_


def got(raw: str) -> AnyResource | DataIssue | None:
    return decode(raw.encode())


@pytest.mark.parametrize(
    "raw",
    [
        '{"resourceType": "Organization", "id": "x"}',
        '{"resourceType": "Bundle", "entry": [{}]}',
        '{"resourceType": "Organization", "name": 17}',
    ],
)
def test_a_type_that_no_feature_reads_is_passed_over(raw: str) -> None:
    assert got(raw) is None


@pytest.mark.parametrize(
    ("raw", "resource"),
    [
        ('{"resourceType": "Observation", "status": 7}', "Observation"),
        ('{"resourceType": "Observation", "code": "8867-4"}', "Observation"),
        ('{"resourceType": "Observation", "valueQuantity": {"value": "88"}}', "Observation"),
        ('{"resourceType": "Observation", "valueQuantity": {"value": 1e999}}', "Observation"),
        ('{"resourceType": "Encounter", "period": []}', "Encounter"),
        ('{"resourceType": "Patient", "birthDate": 1950}', "Patient"),
        ('{"resourceType": "Patient"', "unknown"),
        ('{"resourceType": 7}', "unknown"),
        ("{}", "unknown"),
        ("[]", "unknown"),
        ("null", "unknown"),
        ("", "unknown"),
        ("[" * 100_000, "unknown"),
        ('{"resourceType": "Patient", "extension": ' + '[{"extension":' * 5_000, "unknown"),
    ],
)
def test_what_is_malformed_becomes_an_issue(raw: str, resource: str) -> None:
    assert got(raw) == DataIssue("malformed_resource", resource)


@pytest.mark.parametrize("raw", [b"\xff\xfe", b'{"resourceType": "\xff"}', b"\x00"])
def test_so_does_what_is_no_text(raw: bytes) -> None:
    assert decode(raw) == DataIssue("malformed_resource", "unknown")


def test_unknown_and_null_fields_do_not_matter() -> None:
    raw = '{"resourceType": "Patient", "id": "p", "gender": null, "photo": [{"data": 7}], "x": {}}'
    found = got(raw)
    assert found is not None
    assert not isinstance(found, DataIssue)
    assert (found.type, found.reference, subject_of(found)) == ("Patient", "Patient/p", "p")
    assert type_of(raw.encode()) == "Patient"


@pytest.mark.parametrize(
    ("row", "subject"),
    [
        ({"resourceType": "Observation", "subject": {"reference": "Patient/q"}}, "q"),
        ({"resourceType": "Coverage", "beneficiary": {"reference": "Patient/q"}}, "q"),
        ({"resourceType": "Observation", "subject": {"reference": "#q"}}, ""),
        ({"resourceType": "Observation", "subject": {"reference": "Patient?identifier=q"}}, ""),
        ({"resourceType": "Observation", "subject": {"reference": "urn:uuid:q"}}, "q"),
        ({"resourceType": "Observation", "subject": {"reference": "Patient/q/_history/2"}}, "q"),
        ({"resourceType": "Observation", "subject": {"reference": "Group/q"}}, "Group/q"),
        ({"resourceType": "Observation"}, ""),
        ({"resourceType": "Location", "id": "l"}, ""),
    ],
)
def test_whose_it_is_even_where_the_rest_is_malformed(row: Resource, subject: str) -> None:
    found = got(json.dumps(row))
    assert found is not None
    assert not isinstance(found, DataIssue)
    assert subject_of(found) == subject
    broken = json.dumps(row | {"status": 7, "name": 7}).encode()
    assert isinstance(decode(broken), DataIssue)
    assert subject_of_malformed(broken) == subject


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"subject": 7}', b'{"resourceType": "Patient"}'])
def test_whose_it_is_may_not_be_told(raw: bytes) -> None:
    assert subject_of_malformed(raw) == ""


def version(number: str, updated: str, status: str) -> AnyResource:
    meta = {"versionId": number, "lastUpdated": updated}
    found = got(json.dumps(visit("v", "IMP", "03-01 00:00", status=status, meta=meta)))
    assert found is not None
    assert not isinstance(found, DataIssue)
    return found


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (("1", "2024-03-01T00:00:00Z"), ("2", "2024-03-02T00:00:00Z")),
        (("2", "2024-03-01T00:00:00Z"), ("1", "2024-03-02T00:00:00Z")),
        (("2", "2024-03-01T00:00:00Z"), ("10", "2024-03-01T00:00:00Z")),
        (("1", "2024-03-01T10:00:00+02:00"), ("1", "2024-03-01T09:00:00Z")),
        (("1", ""), ("1", "2024-03-01T00:00:00Z")),
    ],
    ids=["both", "the update counts first", "versions are numbers", "in any zone", "none at all"],
)
def test_the_newest_version_counts_in_whatever_order(
    older: tuple[str, str], newer: tuple[str, str]
) -> None:
    old, new = version(*older, "finished"), version(*newer, "cancelled")
    assert latest_versions([old, new]) == latest_versions([new, old, old]) == [new]


def test_resources_without_an_id_are_each_their_own() -> None:
    rows = [ed_visit("03-01 08:00", "03-01 09:00", ""), ed_visit("03-02 08:00", "03-02 09:00", "")]
    rows[1]["meta"] = {"lastUpdated": "2024-03-02T00:00:00Z"}
    assert value("n_ed_30d", rows) == 2


@pytest.mark.parametrize("patients", [[], [patient(), patient() | {"id": "q"}]])
def test_it_must_be_one_patient(patients: list[Resource]) -> None:
    found = [got(json.dumps(each)) for each in patients]
    with pytest.raises(PatientError, match=f"{len(patients)} Patient resources"):
        history_of([each for each in found if each and not isinstance(each, DataIssue)])


def test_a_malformed_contained_medication_has_no_name() -> None:

    assert decode_contained_medication(msgspec.Raw(b'{"resourceType": "Group"}')) is None
    assert decode_contained_medication(msgspec.Raw(b"[]")) is None


def test_an_observation_without_codes_is_passed_over() -> None:
    row = observations("03-10 08:10 | 8867-4 | 88 | /min")[0]
    assert value("triage_heartrate", ed_visit(), row | {"code": {"text": "pulse"}}) is None
    del row["code"]
    assert value("triage_heartrate", ed_visit(), row) is None
