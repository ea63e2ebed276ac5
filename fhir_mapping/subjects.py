"""Whose a resource is: the patient's id, also where the rest of it cannot be read."""

from typing import Any

import msgspec

from fhir_mapping.resources import BROKEN, AnyResource, Patient


class _Whose(msgspec.Struct, rename="camel"):
    resource_type: str = ""
    id: Any = None
    subject: Any = None
    beneficiary: Any = None


_whose = msgspec.json.Decoder(_Whose)


def subject_of(resource: AnyResource) -> str:
    """The id of the patient a resource is about; empty where it names none.

    A reference to anything but a Patient comes back as it is written: it equals no id.
    """
    if isinstance(resource, Patient):
        return resource.id
    reference = resource.subject_reference
    return _patient_id((reference and reference.reference) or "")


def subject_of_malformed(raw: bytes | msgspec.Raw) -> str:
    """The same for a resource that `decode` refused: whose it is must not hide in what is broken."""
    try:
        whose = _whose.decode(raw)
    except BROKEN:
        return ""
    stated = whose.id if whose.resource_type == "Patient" else whose.subject or whose.beneficiary
    if isinstance(stated, dict):
        stated = stated.get("reference")
    if whose.resource_type == "Patient":
        return stated if isinstance(stated, str) else ""
    return _patient_id(stated) if isinstance(stated, str) else ""


def _patient_id(text: str) -> str:
    if text.startswith("#") or "?" in text:
        return ""
    if text.startswith("urn:"):
        return text.rpartition(":")[2]
    path = text.partition("#")[0].partition("/_history/")[0].rstrip("/")
    before, _, last = path.rpartition("/")
    return last if not before or before.rpartition("/")[2] == "Patient" else text
