"""Whose page it is, where the EHR asks the app to show it: from the Patient resource as received."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.smart.view.stored import Stored, printable

_NOT_KEPT = "not kept with this assessment"


@dataclass(frozen=True)
class Banner:
    """What identifies a patient to a person."""

    name: str
    born: str
    sex: str


def banner_of(stored: Stored) -> Banner:
    """The patient's own resource among what was received, and nobody else's."""
    received = stored.contents.received if stored.contents else {}
    found = received.get(f"Patient/{stored.row['patient_id']}")
    patient = found if isinstance(found, Mapping) else {}
    return Banner(
        name=next(_names(patient), _NOT_KEPT),
        born=_text(patient.get("birthDate")),
        sex=_text(patient.get("gender")),
    )


def _names(patient: Mapping[str, Any]) -> Iterator[str]:
    listed = patient.get("name")
    for each in listed if isinstance(listed, list) else ():
        if isinstance(each, Mapping):
            given = each.get("given")
            parts = [*(given if isinstance(given, list) else ()), each.get("family")]
            said = each.get("text") or " ".join(str(part) for part in parts if part)
            if said:
                yield printable(str(said))


def _text(value: Any) -> str:
    return printable(value) if isinstance(value, str) and value else _NOT_KEPT
