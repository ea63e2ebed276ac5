"""Links as FHIR R4 resources: an AuditEvent for each, a Provenance for each scored assessment, and
the Device that assessed.

Built and validated by fhir.resources. They name ids, digests and versions; no value of a record,
and no result either: an audit repository has other readers than a chart.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from cds_service.fhir_elements import (
    AI,
    Json,
    device,
    instant,
    literal,
    of_digest,
    of_uuid,
    reference,
)
from cds_service.storage.chain import Link
from model.bundle import Bundle

Row = Mapping[str, Any]
_LIFECYCLE = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
_EVENTS: Mapping[str, tuple[str, str, str]] = {
    "assessed": ("C", "originate", "Originate/Retain Record Lifecycle Event"),
    "feedback": ("C", "receive", "Receive/Retain Record Lifecycle Event"),
    "purged": ("D", "destroy", "Destroy/Delete Record Lifecycle Event"),
    "refused": ("R", "access", "Access/View Record Lifecycle Event"),
}
_REFUSED = "4"  # AuditEvent.outcome, minor failure: it was asked for and not given
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
_USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9.-]{1,64}")


def audit_event(link: Link, subject: Row | None) -> str:
    """The AuditEvent of a link, as JSON; `subject`: the row it speaks of."""
    action, code, display = _EVENTS[link.kind]
    assessed = subject if link.kind == "assessed" else None
    made = {
        "id": link.hash,
        "meta": {"security": [AI]} if assessed and _by_network(assessed) else None,
        "type": {"system": _LIFECYCLE, "code": code, "display": display},
        "action": action,
        "recorded": instant(link.at),
        "outcome": _REFUSED if link.kind == "refused" else "0",
        "agent": [
            {"who": _requestor(link, subject), "requestor": True},
            {
                "who": device(assessed["bundle_digest"]) if assessed else {"display": "Readmit"},
                "requestor": False,
            },
        ],
        "source": {"site": link.tenant, "observer": {"display": "Readmit"}},
        "entity": [*_people(subject), _record(link, subject)],
    }
    return _json("AuditEvent", made)


def provenance(row: Row, recorded: datetime, *, target_at: str = "", device_at: str = "") -> str:
    """The Provenance of a scored assessment, as JSON. `target_at`, `device_at`: where a server has
    its RiskAssessment and the bundle's Device, as `Type/id`, if one has them."""
    ai = _by_network(row)
    made = {
        "id": row["uuid"],
        "meta": {"security": [AI]} if ai else None,
        "target": [literal(target_at) | {"identifier": of_uuid(row["uuid"])}],
        "occurredDateTime": instant(row["prediction_time"]),
        "recorded": instant(recorded),
        "reason": [{"coding": [AI]}] if ai else None,
        "activity": {"coding": [{"system": _LIFECYCLE, "code": "originate"}]},
        "agent": [
            {
                "type": {"coding": [{"system": _PARTICIPANT, "code": "assembler"}]},
                "who": device(row["bundle_digest"], at=device_at),
            }
        ],
        "entity": [
            {"role": "source", "what": of_digest("the 105 inputs", row["vector_digest"])},
            {"role": "derivation", "what": of_digest("the catalogue", row["mapping_digest"])},
            {"role": "derivation", "what": _model_card(row)},
        ],
    }
    return _json("Provenance", made)


def bundle_device(bundle: Bundle, uuid: str) -> str:
    """The Device of a bundle, as JSON: what assessed, and what it says of itself."""
    manifest = bundle.manifest
    made = {
        "id": uuid,
        "identifier": [{"value": bundle.digest}],
        "status": "active",
        "deviceName": [{"name": f"Readmit: {manifest.title}", "type": "user-friendly-name"}],
        "modelNumber": manifest.name,
        "type": {"text": "software that assesses risk"},
        "version": [{"value": manifest.version}],
        "note": [{"text": manifest.notice}],
    }
    return _json("Device", made)


def _by_network(row: Row) -> bool:
    """Points are counted by a published rule; a probability is a network's."""
    return row["probability"] is not None


def _requestor(link: Link, asked: Row | None) -> Json:
    if link.kind == "purged":
        return {"display": "operator"}
    user = asked["user_id"] if asked else None
    if user is None:
        return {"display": f"client {link.tenant}"}
    if _USER.fullmatch(user):
        return {"reference": user}
    return {"identifier": {"value": user}}


def _model_card(row: Row) -> Json:
    card = of_digest("model card, in the bundle", row["bundle_digest"])
    return {"type": "DocumentReference", **card}


def _people(row: Row | None) -> list[Json]:
    if row is None or "patient_id" not in row:
        return []
    entities = [{"what": reference("Patient", row["patient_id"]), "role": _role("1")}]
    if row["encounter_id"]:
        entities.append({"what": reference("Encounter", row["encounter_id"]), "role": _role("4")})
    return entities


def _record(link: Link, row: Row | None) -> Json:
    stated = {
        "chain": f"{link.tenant} {link.number}",
        "hash": link.hash,
        "digest": link.digest,
        "service": row.get("service_id") if row else None,
        "outcome": row.get("outcome") if row else None,
        "card": row.get("card_uuid") if row else None,
        "asked for": row.get("assessment_uuid") if row and link.kind == "refused" else None,
        "refused": row.get("reason") if row and link.kind == "refused" else None,
        "bundle": row.get("bundle_digest") if row else None,
        "mapping": row.get("mapping_digest") if row else None,
        "vector": row.get("vector_digest") if row else None,
    }
    detail = [{"type": name, "valueString": value} for name, value in stated.items() if value]
    return {"what": {"identifier": of_uuid(link.subject)}, "role": _role("4"), "detail": detail}


def _role(code: str) -> Json:
    return {"system": _ROLE, "code": code}


def _json(kind: str, made: Json) -> str:
    stated = {name: value for name, value in made.items() if value is not None}
    text: str = _model(kind)(**stated).model_dump_json()
    return text


@cache
def _model(kind: str) -> Any:
    # slow to import: paid by the export, not by every start
    if kind == "AuditEvent":
        from fhir.resources.R4B.auditevent import AuditEvent

        return AuditEvent
    if kind == "Device":
        from fhir.resources.R4B.device import Device

        return Device
    from fhir.resources.R4B.provenance import Provenance

    return Provenance
