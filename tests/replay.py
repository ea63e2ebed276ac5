"""A FHIR export played back as hook requests: one for each finished hospital stay, or other visit, in it.

As a server would answer the prefetch templates: a key for each resource type that was exported, the
observations that are asked for, referenced Medications and Locations included. What is larger than
a page is sent whole, for the service to call `partial`.
"""

import gzip
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from fhir_mapping.exports import export_files
from fhir_mapping.prefetch import OBSERVATIONS, PREFETCH, VITALS, templates
from fhir_mapping.profiles import SHIPPED, load_profile
from fhir_mapping.resources import id_of

Resource = dict[str, Any]
_NAMESPACE = uuid.UUID("0f3a1a52-6f0c-5a7e-9d0c-5a3c1b6f7e21")
_SHARED = ("Location", "Medication")
_TYPES = {template.resource_type for template in PREFETCH} | {"Medication"}
_KEYS = {t.resource_type: t.key for t in PREFETCH if t.count and t.key != VITALS}
_HOSPITAL = {"IMP", "ACUTE", "NONAC", "OBSENC", "SS"}
_MIMIC_HOSPITAL = "http://mimic.mit.edu/fhir/mimic/identifier/encounter-hosp"


class _Reference(msgspec.Struct, frozen=True):
    reference: str = ""


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: str = ""
    subject: _Reference = _Reference()
    beneficiary: _Reference = _Reference()


_head = msgspec.json.Decoder(_Head)
Lines = dict[str, list[bytes]]
"""By resource type, as exported: only what is played is decoded."""


@dataclass
class Folder:
    """An export: lines by patient, what belongs to no patient by reference, the types in it."""

    charts: dict[str, Lines] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    shared: dict[str, Resource] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)


def is_finished_stay(encounter: Resource) -> bool:
    """Finished, and a hospital stay by its class, in MIMIC by its identifier."""
    systems = {each.get("system") for each in encounter.get("identifier", ())}
    mimic = any("mimic.mit.edu" in str(system) for system in systems)
    hospital = _MIMIC_HOSPITAL in systems if mimic else encounter["class"].get("code") in _HOSPITAL
    return hospital and encounter.get("status") == "finished"


def requests_of(
    path: Path, wanted: Callable[[Resource], bool] = is_finished_stay
) -> Iterator[tuple[str, Resource]]:
    """(encounter id, request) of every wanted encounter, patient by patient.

    The stays of one patient share what is in `prefetch`: copy before changing it.
    """
    folder = read_folder(path)
    for patient in sorted(folder.charts):
        chart = {kind: _decoded(lines) for kind, lines in folder.charts[patient].items()}
        if "Patient" not in chart:
            continue
        prefetch = _prefetch(folder, chart)
        for encounter in sorted(chart.get("Encounter", ()), key=lambda each: str(each["id"])):
            if wanted(encounter):
                of_stay = _vitals(chart, encounter["id"]) if OBSERVATIONS in prefetch else {}
                yield encounter["id"], _request(patient, encounter, prefetch | of_stay)


def read_folder(path: Path) -> Folder:
    """Every line of an NDJSON export that a prefetch could hold."""
    folder = Folder()
    for file in export_files(path):
        for line in _lines(file):
            if line.strip():
                _place(line, folder)
    return folder


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as plain:
        yield from gzip.GzipFile(fileobj=plain) if file.suffix == ".gz" else plain


def _decoded(lines: list[bytes]) -> list[Resource]:
    return [msgspec.json.decode(line, type=Resource) for line in lines]


def _place(line: bytes, folder: Folder) -> None:
    head = _head.decode(line)
    kind = head.resource_type
    if kind not in _TYPES:
        return
    folder.types.add(kind)
    if kind in _SHARED:
        resource = msgspec.json.decode(line, type=Resource)
        folder.shared |= dict.fromkeys(_names(kind, resource), resource)
        return
    reference = head.subject.reference or head.beneficiary.reference
    folder.charts[head.id if kind == "Patient" else id_of(reference)][kind].append(line)


def _names(kind: str, resource: Resource) -> Iterator[str]:
    """How others may refer to it: by id, or conditionally by an identifier."""
    yield f"{kind}/{resource['id']}"
    for identifier in resource.get("identifier", ()):
        yield f"{kind}/{identifier.get('system')}|{identifier.get('value')}"


def _prefetch(folder: Folder, chart: dict[str, list[Resource]]) -> Resource:
    """A key for each type of the export; a type that was not exported has none."""
    found: Resource = {"patient": chart["Patient"][0]}
    for kind, key in _KEYS.items():
        if kind not in folder.types:
            continue
        matches = [each for each in chart.get(_searched(kind), ()) if _asked_for(each)]
        included = "Location" if kind == "Location" else "Medication"
        found[key] = _bundle(matches, _included(folder, matches, included))
    return found


def _vitals(chart: dict[str, list[Resource]], encounter: str) -> Resource:
    """The vital signs that hang on the stay itself."""
    found = [
        each
        for each in chart.get("Observation", ())
        if id_of(each.get("encounter", {}).get("reference", "")) == encounter
        and _has_code(each, VITALS)
    ]
    return {VITALS: _bundle(found, [])}


def _searched(kind: str) -> str:
    """Locations are asked for as includes of the encounters."""
    return "Encounter" if kind == "Location" else kind


def _asked_for(resource: Resource) -> bool:
    return resource["resourceType"] != "Observation" or _has_code(resource, OBSERVATIONS)


def _has_code(observation: Resource, key: str) -> bool:
    codings = observation.get("code", {}).get("coding", ())
    return any(f"{each.get('system')}|{each.get('code')}" in _tokens(key) for each in codings)


@cache
def _tokens(key: str) -> frozenset[str]:
    """The codes that a key asks for in the templates of some shipped profile."""
    queries = (
        template.query
        for name in SHIPPED
        for template in templates(load_profile(name))
        if template.key == key
    )
    asked = (query.partition("&code=")[2].partition("&")[0] for query in queries)
    return frozenset(token for codes in asked for token in codes.split(","))


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


def _request(patient: str, encounter: Resource, prefetch: Resource) -> Resource:
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
