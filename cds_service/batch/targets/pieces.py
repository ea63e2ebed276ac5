"""What is written to a FHIR server: the bundle's Device, a RiskAssessment, its Provenance. Pure.

References are relative: the resources lie beside those that they speak of.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from cds_service.batch.job import Job
from cds_service.batch.results import Result
from cds_service.batch.targets.risk_assessments import as_stored
from cds_service.fhir_elements import Json, is_id, of_uuid
from cds_service.governance.fhir import bundle_device, provenance
from cds_service.recalled import Recalled
from cds_service.risk_assessment import risk_assessment
from model.bundle import Bundle

DEVICE, RISK_ASSESSMENT, PROVENANCE = "Device", "RiskAssessment", "Provenance"
LOOKUPS: Final[Mapping[str, tuple[str, ...]]] = {
    DEVICE: ("identifier",),
    RISK_ASSESSMENT: ("identifier", "subject", "patient"),
    PROVENANCE: ("target",),
}
"""Search parameters that find one of a kind, best first."""
_NAMESPACE: Final = uuid.UUID("7f0f6f0c-0f5e-5d7e-9c43-2f8c9b1f6a55")


class _Identifier(msgspec.Struct, frozen=True, gc=False):
    value: str = ""


class _Who(msgspec.Struct, frozen=True, gc=False):
    identifier: _Identifier = _Identifier()


class _Agent(msgspec.Struct, gc=False):
    who: _Who = _Who()


class _Found(msgspec.Struct, rename="camel", gc=False):
    resource_type: str = ""
    id: str = ""
    identifier: tuple[_Identifier, ...] = ()
    agent: tuple[_Agent, ...] = ()


@dataclass(frozen=True)
class Piece:
    """One resource to be there once. `made`: with the id `uuid`. `mark`: the value of the identifier
    that it bears, a Provenance on its agent. `lookups`: for search parameters, what finds it."""

    kind: str
    uuid: str
    made: Json
    mark: str
    lookups: Mapping[str, str]

    def place_of(self, raw: bytes) -> str | None:
        """`Type/id` of a resource that a search brought, if it is this one."""
        try:
            found = msgspec.json.decode(raw, type=_Found)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        ours = found.resource_type == self.kind and self.mark in _marks(found)
        return f"{self.kind}/{found.id}" if ours and is_id(found.id) else None


def _marks(found: _Found) -> Iterator[str]:
    yield from (each.value for each in found.identifier)
    yield from (each.who.identifier.value for each in found.agent)


def device_piece(bundle: Bundle) -> Piece:
    """One for each bundle, whoever runs it."""
    name = str(uuid.uuid5(_NAMESPACE, bundle.digest))
    made = msgspec.json.decode(bundle_device(bundle, name))
    return Piece(DEVICE, name, made, bundle.digest, {"identifier": bundle.digest})


def risk_assessment_piece(result: Result, job: Job, *, device_at: str) -> Piece:
    """Of a scored result. `device_at`: where the Device is, as `Device/id`, if it is there."""
    row = result.row
    found = Recalled(row, as_stored(result.contents))
    made = risk_assessment(found, bundle=job.assessor.bundle, device_at=device_at)
    named = of_uuid(row["uuid"])
    lookups = {"identifier": f"{named['system']}|{named['value']}"}
    if is_id(row["patient_id"]):
        lookups |= {"subject": f"Patient/{row['patient_id']}", "patient": row["patient_id"]}
    return Piece(RISK_ASSESSMENT, row["uuid"], made, named["value"], lookups)


def provenance_piece(result: Result, *, target_at: str, device_at: str) -> Piece:
    """Of the RiskAssessment that lies at `target_at`."""
    row = result.row
    text = provenance(row, row["created_at"], target_at=target_at, device_at=device_at)
    made = msgspec.json.decode(text)
    return Piece(PROVENANCE, row["uuid"], made, row["bundle_digest"], {"target": target_at})
