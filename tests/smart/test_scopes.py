"""Scopes: what is asked for of which server, and what a granted one allows."""

import pytest

from cds_service.smart.discovery import configuration
from cds_service.smart.launch_context import launch_context, same_user
from cds_service.smart.scopes import asked_for, granted, resource_types
from fhir_mapping.prefetch import PREFETCH

TYPES = ("Condition", "Observation", "Patient")
BASE = "https://ehr.example/fhir"


def server(**stated: object) -> object:
    whole = {
        "authorization_endpoint": "https://ehr.example/authorize",
        "token_endpoint": "https://ehr.example/token",
        "capabilities": ["launch-ehr"],
    }
    return configuration(whole | stated)


def test_the_types_are_those_of_the_catalogue() -> None:
    assert resource_types(PREFETCH) == (
        "Condition",
        "Coverage",
        "Encounter",
        "Location",
        "Medication",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Patient",
        "Procedure",
    )


@pytest.mark.parametrize(
    ("capabilities", "supported", "suffix"),
    [
        ([], [], "rs"),
        (["permission-v2"], [], "rs"),
        (["permission-v1", "permission-v2"], ["patient/*.read"], "rs"),
        (["permission-v1"], [], "read"),
        ([], ["patient/*.read", "launch"], "read"),
        ([], ["patient/*.*"], "read"),
        ([], ["patient/*.read", "patient/*.rs"], "rs"),
        (["permission-v1"], ["patient/Observation.rs"], "rs"),
        ([], ["launch", "openid"], "rs"),
    ],
)
def test_version_1_is_asked_only_of_servers_that_show_no_other(
    capabilities: list[str], supported: list[str], suffix: str
) -> None:
    told = server(capabilities=capabilities, scopes_supported=supported)
    assert (
        asked_for("patient", ("Patient",), told, in_ehr=True) == f"launch patient/Patient.{suffix}"
    )


@pytest.mark.parametrize(
    ("capabilities", "supported", "lasting"),
    [
        ([], [], []),
        ([], ["offline_access"], ["offline_access"]),
        ([], ["offline_access", "online_access"], ["online_access"]),
        (["permission-offline"], [], ["offline_access"]),
        (["permission-online"], ["offline_access"], ["online_access"]),
    ],
)
def test_a_refresh_token_is_asked_for_where_there_are_any(
    capabilities: list[str], supported: list[str], lasting: list[str]
) -> None:
    told = server(capabilities=capabilities, scopes_supported=supported)
    scope = asked_for("patient", (), told, in_ehr=False)
    assert scope.split() == ["launch/patient", "launch/encounter", *lasting]


def test_the_worklist_is_the_users_own_and_has_no_launch() -> None:
    told = server(issuer=BASE, jwks_uri="https://ehr.example/jwks")
    scope = asked_for("worklist", ("Encounter", "Patient"), told, in_ehr=False)
    assert scope == "openid fhirUser user/Encounter.rs user/Patient.rs"


@pytest.mark.parametrize(
    ("scope", "whole", "narrowed"),
    [
        ("", "", ""),
        ("launch openid fhirUser offline_access", "", ""),
        ("patient/*.rs", "Condition Observation Patient", ""),
        ("patient/*.read", "Condition Observation Patient", ""),
        ("patient/*.*", "Condition Observation Patient", ""),
        ("patient/*.cruds", "Condition Observation Patient", ""),
        ("user/*.rs", "Condition Observation Patient", ""),
        ("system/*.rs", "", ""),
        ("patient/Observation.rs", "Observation", ""),
        ("patient/Observation.s", "Observation", ""),
        ("patient/Observation.r", "", ""),
        ("patient/Observation.r patient/Observation.s", "Observation", ""),
        ("patient/Patient.r", "Patient", ""),
        ("patient/Observation.write patient/Condition.cud", "", ""),
        ("patient/Observation.", "", ""),
        ("patient/Observation.sr", "", ""),
        ("patient/observation.rs PATIENT/Observation.rs", "", ""),
        ("patient/ObservationX.rs", "", ""),
        ("patient/Observation.rs?category=laboratory", "", "Observation"),
        (
            "patient/Observation.rs?category=laboratory patient/*.rs",
            "Condition Observation Patient",
            "",
        ),
        ("patient/*.rs?_tag=a", "", "Condition Observation Patient"),
        ("  patient/Patient.rs\tpatient/Condition.rs ", "Condition Patient", ""),
    ],
)
def test_what_a_granted_scope_allows(scope: str, whole: str, narrowed: str) -> None:
    found = granted(scope, TYPES, "patient")
    assert (found.whole, found.narrowed) == (set(whole.split()), set(narrowed.split()))
    assert found.denied == tuple(
        each for each in TYPES if each not in whole.split() + narrowed.split()
    )


def test_the_worklist_is_not_served_by_one_patients_scopes() -> None:
    assert granted("patient/*.rs", TYPES, "worklist").denied == TYPES
    assert granted("user/*.rs", TYPES, "worklist").denied == ()


@pytest.mark.parametrize(
    ("said", "encounter"),
    [
        ({"encounter": "e1"}, "e1"),
        ({"encounter": "e1", "fhirContext": [{"reference": "Encounter/e2"}]}, "e1"),
        ({"fhirContext": [{"reference": "Encounter/e2"}]}, "e2"),
        ({"fhirContext": [{"reference": f"{BASE}/Encounter/e2/_history/1"}]}, "e2"),
        ({"fhirContext": [{"reference": "Encounter/e2"}, {"reference": "Encounter/e3"}]}, None),
        ({"fhirContext": [{"reference": "ImagingStudy/i"}, {"identifier": {}}, "x", None]}, None),
        ({"fhirContext": {"reference": "Encounter/e2"}}, None),
        ({"fhirContext": [{"reference": "Encounter/e2?x=y"}]}, None),
        ({"encounter": 7}, None),
    ],
)
def test_which_stay_is_meant(said: dict[str, object], encounter: str | None) -> None:
    assert launch_context(said).encounter_id == encounter


@pytest.mark.parametrize(
    ("said", "is_listed"),
    [
        ("Practitioner/1", True),
        (f"{BASE}/Practitioner/1", True),
        ("https://other.example/fhir/Practitioner/1", False),
        ("Practitioner/11", False),
        ("", False),
    ],
)
def test_a_user_is_named_whole_or_relative_to_the_server(said: str, is_listed: bool) -> None:
    for listed in ("Practitioner/1", f"{BASE}/Practitioner/1"):
        assert same_user(said, (listed,), BASE) is is_listed


@pytest.mark.parametrize(
    ("said", "ours"),
    [
        ("0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11", "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"),
        ("0B8F9A52-4D2C-4A9B-9A77-0F2F0A3D1C11", "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"),
        ("another app's", None),
        ({"assessment": "0b8f9a52-4d2c-4a9b-9a77-0f2f0a3d1c11"}, None),
        ("", None),
    ],
)
def test_what_a_card_of_ours_carried(said: object, ours: str | None) -> None:
    assert launch_context({"appContext": said}).app_context == ours
