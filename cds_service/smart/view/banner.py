"""Whose page it is, where the EHR asks the app to show it: from the Patient resource as received."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cds_service.smart.view.stored import Stored, printable

IN_USE: Final = ("usual", "official")
"""The uses of a name by which a patient is known now."""
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
    """The name in use first: a former one is no name to know a patient by."""
    listed = patient.get("name")
    found = (
        [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []
    )
    for each in sorted(found, key=lambda name: name.get("use") not in IN_USE):
        given = each.get("given")
        parts = [*(given if isinstance(given, list) else ()), each.get("family")]
        said = each.get("text") or " ".join(str(part) for part in parts if part)
        if said:
            yield printable(str(said))


def _text(value: Any) -> str:
    return printable(value) if isinstance(value, str) and value else _NOT_KEPT
