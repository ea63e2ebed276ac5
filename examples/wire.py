"""A chart as the two files we ship: a collection Bundle and a CDS Hooks request with its prefetch."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from chart import Chart
from vocabulary import Json

BASE = "https://ehr.example.org/fhir/"
USER = "Practitioner/example-clinician"
SEARCHES = {  # prefetch key: type searched for, type that comes along by _include
    "encounters": ("Encounter", ""),
    "locations": ("Encounter", "Location"),
    "conditions": ("Condition", ""),
    "observations": ("Observation", ""),
    "procedures": ("Procedure", ""),
    "coverages": ("Coverage", ""),
    "medication_requests": ("MedicationRequest", "Medication"),
    "medication_statements": ("MedicationStatement", ""),
    "medication_administrations": ("MedicationAdministration", ""),
    "medication_dispenses": ("MedicationDispense", ""),
}


def collection(chart: Chart) -> Json:
    entries = [_entry(resource) for resource in chart.resources]
    identity = {"resourceType": "Bundle", "id": chart.name, "type": "collection"}
    return {**identity, "entry": entries}


def hook_request(chart: Chart) -> Json:
    patient, stay = chart.of_type("Patient")[0], chart.stay
    found = {key: _searchset(chart, *types) for key, types in SEARCHES.items()}
    found["vitals"] = _bundle(
        [each for each in chart.of_type("Observation") if _of_stay(each, stay)]
    )
    return {
        "hook": "encounter-discharge",
        "hookInstance": str(uuid5(NAMESPACE_URL, f"{BASE}{chart.name}")),
        "context": {"userId": USER, "patientId": patient["id"], "encounterId": stay["id"]},
        "prefetch": {"patient": patient, "encounter": stay, **found},
    }


def _searchset(chart: Chart, match: str, include: str) -> Json:
    return _bundle(chart.of_type(match), chart.of_type(include))


def _of_stay(observation: Json, stay: Json) -> bool:
    """Whether it is a vital sign that hangs on the stay itself."""
    category = observation["category"][0]["coding"][0]["code"]
    own = observation["encounter"]["reference"] == f"Encounter/{stay['id']}"
    return own and category == "vital-signs"


def _bundle(found: list[Json], along: list[Json] | None = None) -> Json:
    matches = [_entry(r, "match") for r in found]
    included = [_entry(r, "include") for r in along or []]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(matches)}
    if entries := matches + included:
        bundle["entry"] = entries
    return bundle


def _entry(resource: Json, mode: str = "") -> Json:
    address = f"{BASE}{resource['resourceType']}/{resource['id']}"
    entry: Json = {"fullUrl": address, "resource": resource}
    return entry | {"search": {"mode": mode}} if mode else entry
