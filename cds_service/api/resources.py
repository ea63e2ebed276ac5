"""What the FHIR endpoints answer besides single resources: a searchset, and what they can do. Pure."""

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from importlib import metadata
from typing import Any

from cds_service.fhir_elements import Json, instant

_SECURITY = "http://terminology.hl7.org/CodeSystem/restful-security-service"


def searchset(
    resources: Iterable[Json], *, total: int, base: str, self_query: str, next_page: str | None
) -> bytes:
    """A page of matches. `base`: of our FHIR endpoint; `next_page`: its parameter, where there is one."""
    kind = f"{base}/RiskAssessment"
    links = [{"relation": "self", "url": f"{kind}?{self_query}"}]
    if next_page:
        links.append({"relation": "next", "url": f"{kind}?{next_page}"})
    entries = [
        {
            "fullUrl": f"{kind}/{each['id']}",
            "resource": each,
            "search": {"mode": "match"},
        }
        for each in resources
    ]
    made: Json = {"type": "searchset", "total": total, "link": links}
    return as_json("bundle", "Bundle", made | ({"entry": entries} if entries else {}))


def capabilities(*, base: str, started: datetime) -> bytes:
    """The CapabilityStatement of our FHIR endpoint."""
    made = {
        "status": "active",
        "date": instant(started),
        "kind": "instance",
        "software": {"name": "Readmit", "version": metadata.version("readmit-cds")},
        "implementation": {"description": "Stored risk assessments, to read", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "security": _security(), "resource": [_reading()]}],
    }
    return as_json("capabilitystatement", "CapabilityStatement", made)


def _security() -> Json:
    service = {"system": _SECURITY, "code": "SMART-on-FHIR", "display": "SMART-on-FHIR"}
    return {
        "service": [{"coding": [service]}],
        "description": (
            "Bearer tokens with system/, user/ or patient/RiskAssessment.rs of the site's own"
            " authorization server."
        ),
    }


def _reading() -> Json:
    return {
        "type": "RiskAssessment",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchParam": [
            {
                "name": "patient",
                "definition": "http://hl7.org/fhir/SearchParameter/clinical-patient",
                "type": "reference",
                "documentation": "Required; one patient.",
            }
        ],
    }


def as_json(module: str, kind: str, made: Json) -> bytes:
    """Validated by fhir.resources."""
    text: str = _model(module, kind)(**made).model_dump_json()
    return text.encode()


@cache
def _model(module: str, kind: str) -> Any:
    # slow to import: paid by the first answer, not by every start
    import importlib

    return getattr(importlib.import_module(f"fhir.resources.R4B.{module}"), kind)
