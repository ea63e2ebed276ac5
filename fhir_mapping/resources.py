"""FHIR R4 JSON into typed resources: only the fields the features need. No meaning yet.

Decoding is resource by resource and tolerant: unknown fields are skipped, a malformed resource
becomes a DataIssue and the others live on. Field names are FHIR's, in camel case on the wire.
"""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from fhir_mapping.elements import (
    ClassHistory,
    Coding,
    Component,
    Concept,
    Element,
    EncounterLocation,
    Extension,
    Hospitalization,
    Identifier,
    Ingredient,
    Meta,
    Period,
    Quantity,
    Reference,
)
from fhir_mapping.history import DataIssue
from fhir_mapping.when import sortable


class Resource(Element, frozen=True, tag_field="resourceType"):
    """What every resource has. `subject_reference` is the patient it speaks of."""

    id: str = ""
    meta: Meta | None = None

    @property
    def type(self) -> str:
        return type(self).__name__

    @property
    def reference(self) -> str:
        return f"{self.type}/{self.id}"

    @property
    def subject_reference(self) -> Reference | None:
        return getattr(self, "subject", None)


class Patient(Resource, frozen=True, tag="Patient"):
    identifier: tuple[Identifier, ...] | None = None
    extension: tuple[Extension, ...] | None = None
    gender: str | None = None
    birth_date: str | None = None
    deceased_boolean: bool | None = None
    deceased_date_time: str | None = None


class Encounter(Resource, frozen=True, tag="Encounter"):
    identifier: tuple[Identifier, ...] | None = None
    status: str | None = None
    class_: Coding | None = msgspec.field(default=None, name="class")
    class_history: tuple[ClassHistory, ...] | None = None
    encounter_type: tuple[Concept, ...] | None = msgspec.field(default=None, name="type")
    service_type: Concept | None = None
    priority: Concept | None = None
    subject: Reference | None = None
    period: Period | None = None
    reason_code: tuple[Concept, ...] | None = None
    hospitalization: Hospitalization | None = None
    location: tuple[EncounterLocation, ...] | None = None
    part_of: Reference | None = None


class Observation(Resource, frozen=True, tag="Observation"):
    status: str | None = None
    code: Concept | None = None
    subject: Reference | None = None
    encounter: Reference | None = None
    part_of: tuple[Reference, ...] | None = None
    effective_date_time: str | None = None
    effective_instant: str | None = None
    effective_period: Period | None = None
    issued: str | None = None
    value_quantity: Quantity | None = None
    value_integer: float | None = None
    value_string: str | None = None
    value_codeable_concept: Concept | None = None
    component: tuple[Component, ...] | None = None


class Condition(Resource, frozen=True, tag="Condition"):
    clinical_status: Concept | None = None
    verification_status: Concept | None = None
    category: tuple[Concept, ...] | None = None
    code: Concept | None = None
    subject: Reference | None = None
    encounter: Reference | None = None
    onset_date_time: str | None = None
    onset_period: Period | None = None
    abatement_date_time: str | None = None
    abatement_period: Period | None = None
    recorded_date: str | None = None


class Procedure(Resource, frozen=True, tag="Procedure"):
    status: str | None = None
    code: Concept | None = None
    subject: Reference | None = None
    encounter: Reference | None = None
    performed_date_time: str | None = None
    performed_period: Period | None = None


class Coverage(Resource, frozen=True, tag="Coverage"):
    status: str | None = None
    coverage_type: Concept | None = msgspec.field(default=None, name="type")
    beneficiary: Reference | None = None
    payor: tuple[Reference, ...] | None = None
    period: Period | None = None

    @property
    def subject_reference(self) -> Reference | None:
        return self.beneficiary


class Location(Resource, frozen=True, tag="Location"):
    identifier: tuple[Identifier, ...] | None = None
    name: str | None = None
    location_type: tuple[Concept, ...] | None = msgspec.field(default=None, name="type")


class Medication(Resource, frozen=True, tag="Medication"):
    identifier: tuple[Identifier, ...] | None = None
    code: Concept | None = None
    ingredient: tuple[Ingredient, ...] | None = None


class _MedicationUse(Resource, frozen=True):
    """What the four medication resources share."""

    status: str | None = None
    contained: tuple[msgspec.Raw, ...] | None = None
    medication_codeable_concept: Concept | None = None
    medication_reference: Reference | None = None
    subject: Reference | None = None


class MedicationRequest(_MedicationUse, frozen=True, tag="MedicationRequest"):
    intent: str | None = None
    category: tuple[Concept, ...] | None = None
    encounter: Reference | None = None
    authored_on: str | None = None
    reported_boolean: bool | None = None


class MedicationStatement(_MedicationUse, frozen=True, tag="MedicationStatement"):
    context: Reference | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None
    date_asserted: str | None = None


class MedicationAdministration(_MedicationUse, frozen=True, tag="MedicationAdministration"):
    context: Reference | None = None
    effective_date_time: str | None = None
    effective_period: Period | None = None


class MedicationDispense(_MedicationUse, frozen=True, tag="MedicationDispense"):
    context: Reference | None = None
    when_prepared: str | None = None
    when_handed_over: str | None = None


MedicationUse = (
    MedicationRequest | MedicationStatement | MedicationAdministration | MedicationDispense
)
AnyResource = (
    Patient
    | Encounter
    | Observation
    | Condition
    | Procedure
    | Coverage
    | Location
    | Medication
    | MedicationUse
)
PATIENT_BOUND = frozenset(
    (
        "Patient",
        "Encounter",
        "Observation",
        "Condition",
        "Procedure",
        "Coverage",
        "MedicationRequest",
        "MedicationStatement",
        "MedicationAdministration",
        "MedicationDispense",
    )
)
KNOWN_TYPES = PATIENT_BOUND | {"Location", "Medication"}


R = TypeVar("R", bound=Resource)


class _Head(msgspec.Struct, rename="camel"):
    resource_type: str = ""


_decoder = msgspec.json.Decoder(AnyResource)
_medication = msgspec.json.Decoder(Medication)
_head = msgspec.json.Decoder(_Head)
BROKEN = (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError)


def decode(raw: bytes | msgspec.Raw) -> AnyResource | DataIssue | None:
    """Decode one resource: None where its type is not used, a DataIssue where it is malformed."""
    try:
        resource: AnyResource = _decoder.decode(raw)
    except BROKEN:
        return _refused(raw)
    return resource


def decode_contained_medication(raw: msgspec.Raw) -> Medication | None:
    """A contained resource, where it is a readable Medication."""
    try:
        return _medication.decode(raw)
    except BROKEN:
        return None


def type_of(raw: bytes | msgspec.Raw) -> str:
    """The resourceType of a JSON object; empty where there is none to be read."""
    try:
        return _head.decode(raw).resource_type
    except BROKEN:
        return ""


def latest_versions(resources: Iterable[R]) -> list[R]:
    """One of each (type, id), the newest, sorted: what follows cannot depend on their order."""
    newest: dict[tuple[str, str], R] = {}
    for resource in resources:
        name = resource.id or msgspec.json.encode(resource).decode("latin-1")
        key = (type(resource).__name__, name)
        held = newest.setdefault(key, resource)
        if held is not resource and _age(held) < _age(resource):
            newest[key] = resource
    return [newest[key] for key in sorted(newest)]


def id_of(reference: Reference | str | None) -> str:
    """The logical id at the end of a reference: relative, absolute, versioned or `urn:uuid:`.

    A conditional reference (`Location?identifier=s|v`) gives what follows the equals sign.
    """
    text = reference if isinstance(reference, str) else (reference and reference.reference) or ""
    if text.startswith("urn:"):
        return text.rpartition(":")[2]
    if "?" in text:
        return text.partition("=")[2]
    return text.partition("/_history/")[0].rpartition("/")[2]


def _age(resource: Resource) -> tuple[str, int, str, bytes]:
    meta = resource.meta or Meta()
    version = meta.version_id or ""
    return (sortable(meta.last_updated or ""), len(version), version, msgspec.json.encode(resource))


def _refused(raw: bytes | msgspec.Raw) -> DataIssue | None:
    name = type_of(raw)
    if name in KNOWN_TYPES:
        return DataIssue("malformed_resource", name)
    return None if name else DataIssue("malformed_resource", "unknown")
