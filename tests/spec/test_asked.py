"""What a client is asked for follows from the features: no resource type and no code beyond them."""

import pytest

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.prefetch import PREFETCH, Template, prefetch_templates, templates
from fhir_mapping.profiles import load_profile

US_CORE = load_profile("us_core")
ALWAYS = {"patient", "encounter", "encounters"}


def asked(*names: str, profile: str = "us_core") -> dict[str, Template]:
    return {each.key: each for each in templates(load_profile(profile), names)}


@pytest.mark.parametrize(
    ("names", "keys"),
    [
        ((), set()),
        (("age", "n_ed_365d"), set()),
        (("n_icu_365d",), {"locations"}),
        (("cci_chf",), {"conditions"}),
        (("triage_map",), {"observations", "vitals"}),
        (("sodium_last",), {"observations"}),
        (("score_cci",), {"conditions"}),
        (("n_med",), {"medication_administrations", "medication_dispenses"}),
        (("insurance", "procedure_any"), {"coverages", "procedures"}),
    ],
)
def test_the_keys_are_those_that_the_features_rest_on(
    names: tuple[str, ...], keys: set[str]
) -> None:
    assert set(asked(*names)) == ALWAYS | keys


def test_a_derived_feature_asks_for_what_it_is_worked_out_from() -> None:
    """REMS is worked out from a pressure that itself is worked out from two."""
    query = asked("score_rems_partial")["observations"].query
    assert "http://loinc.org|8480-6" in query
    assert "http://loinc.org|8462-4" in query
    assert "http://loinc.org|8310-5" not in query  # temperature


def test_a_site_that_marks_triage_values_by_procedures_is_asked_for_these() -> None:
    keys = set(asked("triage_heartrate", profile="mimic"))
    assert keys == ALWAYS | {"observations", "vitals", "procedures"}
    assert "procedures" not in asked("n_ed_365d", profile="mimic")


def test_all_features_ask_for_every_key() -> None:
    assert templates(US_CORE, CATALOGUE.names) == templates(US_CORE) == PREFETCH


@pytest.mark.parametrize("hook", ["encounter-discharge", "encounter-start", "patient-view"])
def test_only_a_hook_that_names_an_encounter_asks_for_it_by_id(hook: str) -> None:
    queries = prefetch_templates(hook, templates(US_CORE, ("age",)))
    assert ("encounter" in queries) == (hook != "patient-view")
    assert any("context.encounterId" in each for each in queries.values()) == (
        hook != "patient-view"
    )
