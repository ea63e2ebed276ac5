"""Elements that the FHIR R4 resources we emit have in common. Pure; plain JSON, validated by who emits."""

import re
from datetime import datetime
from typing import Any, Final

Json = dict[str, Any]
AI: Final[Json] = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")


def is_id(name: str) -> bool:
    """Whether FHIR allows it as a logical id; a client may have others."""
    return _ID.fullmatch(name) is not None


def reference(kind: str, name: str, *, base: str = "") -> Json:
    """To a resource of the client's; `base`: of its server, ending in a slash, where it is known."""
    if is_id(name):
        return {"reference": f"{base}{kind}/{name}"}
    return {"type": kind, "identifier": {"value": name}}


def of_uuid(uuid: str) -> Json:
    """The identifier of one of our rows."""
    return {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid}"}


def of_digest(display: str, digest: str | None) -> Json:
    """What has no address: by its SHA-256."""
    return {"identifier": {"value": digest}, "display": display}


def device(bundle_digest: str, *, at: str = "") -> Json:
    """What assessed: the service with one bundle. `at`: where its Device is, if it is somewhere."""
    named = {"type": "Device", **of_digest("Readmit with the bundle", bundle_digest)}
    return literal(at) | named


def literal(at: str) -> Json:
    """The address part of a reference: `Type/id`; nothing where it is not known."""
    return {"reference": at} if at else {}


def instant(moment: datetime) -> str:
    """A time as FHIR writes it."""
    return moment.isoformat(timespec="milliseconds")
