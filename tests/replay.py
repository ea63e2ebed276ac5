"""A FHIR export played back as hook requests: one for each finished hospital stay in it."""

import gzip
import json
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_mapping.exports import export_files
from fhir_mapping.prefetch import PREFETCH
from fhir_mapping.resources import id_of

Resource = dict[str, Any]
_NAMESPACE = uuid.UUID("0f3a1a52-6f0c-5a7e-9d0c-5a3c1b6f7e21")
_TYPES = {template.resource_type for template in PREFETCH} | {"Medication"}
_KEYS = {template.resource_type: template.key for template in PREFETCH if template.count}
_HOSPITAL = {"IMP", "ACUTE", "NONAC", "OBSENC", "SS"}
_MIMIC_HOSPITAL = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"


@dataclass
class Chart:
    """One patient's raw resources by type."""

    by_type: dict[str, list[Resource]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class Folder:
    """An export: charts by patient, what belongs to no patient by reference, the types in it."""

    charts: dict[str, Chart] = field(default_factory=lambda: defaultdict(Chart))
    shared: dict[str, Resource] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)


def requests_of(path: Path) -> Iterator[tuple[str, Resource]]:
    """(encounter id, request) of every finished hospital stay, patient by patient."""
    folder = read_folder(path)
    for patient in sorted(folder.charts):
        chart = folder.charts[patient]
        if not chart.by_type["Patient"]:
            continue
        prefetch = _prefetch(folder, chart)
        for encounter in sorted(chart.by_type["Encounter"], key=lambda each: each["id"]):
            if is_finished_stay(encounter):
                yield encounter["id"], _request(patient, encounter, prefetch)


def read_folder(path: Path) -> Folder:
    """Every line of an export that a prefetch could hold."""
    folder = Folder()
    for file in export_files(path):
        opened = gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open()
        with opened as lines:
            for line in lines:
                _place(json.loads(line), folder)
    return folder


def is_finished_stay(encounter: Resource) -> bool:
    """Finished, and a hospital stay by its class, in MIMIC by its identifier."""
    systems = {each.get("system") for each in encounter.get("identifier", ())}
    mimic = any("mimic.mit.edu" in str(system) for system in systems)
    hospital = (
        _MIMIC_HOSPITAL in systems if mimic else encounter["class"].get("code") in _HOSPITAL
    )
    return hospital and encounter.get("status") == "finished"


def _place(resource: Resource, folder: Folder) -> None:
    kind = resource.get("resourceType")
    if kind not in _TYPES:
        return
    folder.types.add(kind)
    if kind in ("Location", "Medication"):
        folder.shared[f"{kind}/{resource['id']}"] = resource
        for identifier in resource.get("identifier", ()):
            token = f"{identifier.get('system')}|{identifier.get('value')}"
            folder.shared[f"{kind}/{token}"] = resource
        return
    subject = resource if kind == "Patient" else resource.get("subject") or resource["beneficiary"]
    patient = subject["id"] if kind == "Patient" else id_of(subject["reference"])
    folder.charts[patient].by_type[kind].append(resource)


def _prefetch(folder: Folder, chart: Chart) -> dict[str, Any]:
    """A key for each type of the export; a type that was not exported has none."""
    found: dict[str, Any] = {"patient": chart.by_type["Patient"][0]}
    for kind, key in _KEYS.items():
        if kind == "Location" and kind in folder.types:
            encounters = chart.by_type["Encounter"]
            found[key] = _bundle([], _included(folder, encounters, "Location"))
        elif kind in folder.types:
            matches = chart.by_type[kind]
            found[key] = _bundle(matches, _included(folder, matches, "Medication"))
    return found


def _included(folder: Folder, resources: list[Resource], kind: str) -> list[Resource]:
    names = {f"{kind}/{id_of(reference)}" for each in resources for reference in _references(each)}
    included = {name: folder.shared[name] for name in sorted(names) if name in folder.shared}
    parts = [part for each in included.values() for part in each.get("ingredient", ())]
    for part in parts:
        name = f"{kind}/{id_of(part.get('itemReference', {}).get('reference', ''))}"
        if name in folder.shared:
            included[name] = folder.shared[name]
    return list(included.values())


def _references(resource: Resource) -> Iterator[str]:
    yield resource.get("medicationReference", {}).get("reference", "")
    for entry in resource.get("location", ()) if resource["resourceType"] == "Encounter" else ():
        yield entry.get("location", {}).get("reference", "")


def _bundle(matches: list[Resource], included: list[Resource]) -> Resource:
    entries = [{"resource": each, "search": {"mode": "match"}} for each in matches]
    entries += [{"resource": each, "search": {"mode": "include"}} for each in included]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "total": len(matches),
        **({"entry": entries} if entries else {}),
    }


def _request(patient: str, encounter: Resource, prefetch: dict[str, Any]) -> Resource:
    return {
        "hook": "encounter-discharge",
        "hookInstance": str(uuid.uuid5(_NAMESPACE, encounter["id"])),
        "context": {
            "userId": "Practitioner/replay",
            "patientId": patient,
            "encounterId": encounter["id"],
        },
        "prefetch": prefetch | {"encounter": encounter},
    }

