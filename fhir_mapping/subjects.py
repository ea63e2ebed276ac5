"""Whose a resource is: the patient's id, also where the rest of it cannot be read."""

from typing import Any

import msgspec

from fhir_mapping.resources import BROKEN, AnyResource, Patient, type_of


class _Whose(msgspec.Struct, rename="camel", gc=False):
    resource_type: str = ""
    id: Any = None
    subject: Any = None
    beneficiary: Any = None


_whose = msgspec.json.Decoder(_Whose)


class _Named(msgspec.Struct, rename="camel", gc=False):
    resource_type: str = ""
    id: str = ""


_named = msgspec.json.Decoder(_Named)


def subject_of(resource: AnyResource) -> str:
    """The id of the patient a resource is about, as `patient_of` says it; empty where it names none."""
    if isinstance(resource, Patient):
        return resource.id
    reference = resource.subject_reference
    return patient_of(reference.reference or "") if reference else ""


def subject_of_malformed(raw: bytes | msgspec.Raw) -> str:
    """The same for a resource that `decode` refused: whose it is must not hide in what is broken."""
    return type_and_subject(raw)[1]


def type_and_subject(raw: bytes | msgspec.Raw) -> tuple[str, str]:
    """The resourceType, empty where there is none to be read, and whose it is, read in one go."""
    try:
        whose = _whose.decode(raw)
    except BROKEN:
        return type_of(raw), ""
    if whose.resource_type == "Patient":
        return "Patient", whose.id if isinstance(whose.id, str) else ""
    stated = whose.subject or whose.beneficiary
    if isinstance(stated, dict):
        stated = stated.get("reference")
    return whose.resource_type, patient_of(stated) if isinstance(stated, str) else ""


def reference_of(raw: bytes | msgspec.Raw) -> str:
    """`Observation/17`, also of a resource that `decode` refused; empty where it has no type or id."""
    try:
        named = _named.decode(raw)
    except BROKEN:
        return ""
    return f"{named.resource_type}/{named.id}" if named.resource_type and named.id else ""


def patient_of(text: str) -> str:
    """The id at the end of a reference to a Patient; empty where nothing outside is referred to.

    A reference to anything else comes back as it is written: it equals no id.
    """
    kind, _, last = text.rpartition("/")
    if kind == "Patient" and last and "#" not in last and "?" not in last:
        return last  # nearly every reference: of these nothing else is looked at
    if text.startswith("#") or "?" in text:
        return ""
    if text.startswith("urn:"):
        return text.rpartition(":")[2]
    path = text.partition("#")[0].partition("/_history/")[0].rstrip("/")
    before, _, last = path.rpartition("/")
    return last if not before or before.rpartition("/")[2] == "Patient" else text
