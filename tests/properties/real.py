"""Records of the open data sets in the shape of the random ones: the same properties hold there."""

import gzip
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from fhir_mapping.exports import export_files
from fhir_mapping.profiles import load_profile
from fhir_mapping.resources import KNOWN_TYPES
from tests.properties.records import Record, Resource

SETS = ("mimic-iv-demo/fhir", "synthea-bulk10-cc0")
LARGEST = 1200
"""Patients with more resources are left to the parity tests, which read each record once."""
_LATER = datetime(2300, 1, 1, tzinfo=UTC)
_MIMIC_STAY = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"
_CLASSES = set(load_profile("us_core").encounter["hospital_classes"])


@dataclass
class _Charts:
    patients: dict[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))
    places: list[Resource] = field(default_factory=list)
    drugs: dict[str, Resource] = field(default_factory=dict)


def real_records(data: Path) -> list[Record]:
    """Every finished hospital stay of the smaller patients, each with the patient's whole record."""
    return [record for name in SETS for record in _records(_charts(data / name))]


def _charts(folder: Path) -> _Charts:
    charts = _Charts()
    for file in export_files(folder):
        for line in gzip.decompress(file.read_bytes()).splitlines():
            _place(msgspec.json.decode(line), charts)
    return charts


def _place(resource: Resource, charts: _Charts) -> None:
    kind = resource.get("resourceType")
    if kind == "Location":
        charts.places.append(resource)
    elif kind == "Medication":
        charts.drugs[f"Medication/{resource['id']}"] = resource
    elif kind in KNOWN_TYPES:
        subject = resource.get("subject", {}).get("reference", f"Patient/{resource['id']}")
        charts.patients[subject].append(resource)


def _records(charts: _Charts) -> Iterator[Record]:
    for patient in sorted(charts.patients):
        resources = charts.patients[patient]
        if len(resources) <= LARGEST and any(r["resourceType"] == "Patient" for r in resources):
            whole = [*resources, *charts.places, *_drugs(resources, charts)]
            for stay in _stays(resources):
                yield Record(tuple(whole), stay["id"], _LATER)


def _drugs(resources: Sequence[Resource], charts: _Charts) -> list[Resource]:
    named = {each.get("medicationReference", {}).get("reference", "") for each in resources}
    return [charts.drugs[name] for name in sorted(named) if name in charts.drugs]


def _stays(resources: Sequence[Resource]) -> list[Resource]:
    visits = [each for each in resources if each["resourceType"] == "Encounter"]
    return [each for each in visits if each["status"] == "finished" and _is_stay(each)]


def _is_stay(visit: Resource) -> bool:
    systems = [each.get("system", "") for each in visit.get("identifier", ())]
    if any("mimic" in system for system in systems):
        return _MIMIC_STAY in systems
    return visit["class"].get("code") in _CLASSES
