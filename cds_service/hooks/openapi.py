"""The service described as OpenAPI 3.1, built from what is offered; hooks/requests.py has the bodies.

Every status of the one table in errors.py is named with its OperationOutcome. A request that fits
a schema may still be refused: what a record must hold is beyond JSON Schema (412).
"""

from collections.abc import Iterable
from importlib import metadata

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from cds_service.api import openapi as reading
from cds_service.errors import STATUS, AccessDeniedError
from cds_service.hooks.requests import FEEDBACK, hook_request
from cds_service.hooks.schemas import Card, Discovery
from cds_service.metrics import CONTENT_TYPE
from cds_service.openapi_elements import JSON, Json, as_sent, operation, ref
from cds_service.services import Offered
from cds_service.settings import Settings

_ABOUT = (
    "CDS Hooks 2.0: the estimated risk of an unplanned readmission within 30 days, at discharge and"
    " when a chart is opened. Every refusal is a FHIR R4 OperationOutcome that quotes no record."
)
_TOKEN: Json = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "CDS Hooks 2.0, Trusting CDS Clients: a signed token for the very URL called.",
}
_OUTCOME: Json = {
    "type": "object",
    "required": ["resourceType", "issue"],
    "properties": {
        "resourceType": {"const": "OperationOutcome"},
        "issue": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["severity", "code", "diagnostics"],
                "properties": {
                    "severity": {"const": "error"},
                    "code": {"type": "string"},
                    "diagnostics": {"type": "string"},
                },
            },
        },
    },
}
_CARDS: Json = {
    "type": "object",
    "required": ["cards"],
    "properties": {
        "cards": {"type": "array", "items": {"$ref": "#/components/schemas/Card"}},
    },
}
_UNFORESEEN = 500
_DENIED = STATUS[AccessDeniedError][0]
_REFUSALS = sorted({status for status, _ in STATUS.values()} - {_DENIED} | {_UNFORESEEN})
"""What a hook may be refused with; a token that allows less than all is the read API's."""
_AUTHENTICATION = 401
_BODILESS = frozenset((400, 404, 412, 413, 415))
"""Statuses of a request with a body or a service id, which discovery has not."""


def description_router(services: Iterable[Offered], settings: Settings) -> APIRouter:
    """`GET /openapi.json`. No page that shows it: such a page would come from a CDN."""
    described = document(
        services, guarded=settings.tenants is not None, public_url=settings.public_url
    )
    router = APIRouter()
    router.add_api_route("/openapi.json", lambda: JSONResponse(described))
    return router


def document(services: Iterable[Offered], *, guarded: bool, public_url: str | None) -> Json:
    """`guarded`: clients must authenticate; then the paths of CDS Hooks ask for a token."""
    listed = tuple(services)
    described: Json = {
        "openapi": "3.1.0",
        "info": {
            "title": "Readmit",
            "version": metadata.version("readmit-cds"),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": _hooks(listed, guarded) | reading.paths(guarded=guarded) | _machines(),
        "components": {"schemas": _schemas(listed) | reading.schemas()},
    }
    if guarded:
        described["components"]["securitySchemes"] = {
            "client": _TOKEN,
            reading.SCHEME: reading.TOKEN,
        }
    if public_url:
        described["servers"] = [{"url": public_url}]
    return described


def _hooks(services: tuple[Offered, ...], guarded: bool) -> Json:
    refusals = [each for each in _REFUSALS if guarded or each != _AUTHENTICATION]
    asked: Json = {"security": [{"client": []}]} if guarded else {}
    service = {
        "name": "service_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": [each.id for each in services]},
    }
    discovery = [each for each in refusals if each not in _BODILESS]
    return {
        "/cds-services": {
            "get": operation("Discovery", "Which services there are.", "Discovery", discovery)
            | asked
        },
        "/cds-services/{service_id}": {
            "parameters": [service],
            "post": operation("Call", "Cards for one patient.", "CardResponse", refusals)
            | asked
            | _taking("HookRequest"),
        },
        "/cds-services/{service_id}/feedback": {
            "parameters": [service],
            "post": operation("Feedback", "What users did with cards.", None, refusals)
            | asked
            | _taking("FeedbackRequest"),
        },
    }


def _machines() -> Json:
    """Probes, metrics and this document: never guarded."""
    return {
        "/health/live": {"get": operation("Live", "The process answers.", "Probe", ())},
        "/health/ready": {"get": operation("Ready", "Hooks are answered.", "Probe", (503,))},
        "/metrics": {
            "get": {
                "operationId": "metrics",
                "summary": "Counts in the text format of Prometheus.",
                "responses": {"200": {"description": "OK", "content": {CONTENT_TYPE: {}}}},
            }
        },
        "/openapi.json": {"get": operation("Description", "This document.", "Document", ())},
    }


def _taking(schema: str) -> Json:
    return {"requestBody": {"required": True, "content": {JSON: {"schema": ref(schema)}}}}


def _schemas(services: tuple[Offered, ...]) -> Json:
    hooks = dict.fromkeys(hook for each in services for hook in each.hooks)
    return {
        "HookRequest": hook_request(tuple(hooks)),
        "FeedbackRequest": FEEDBACK,
        "Document": {"type": "object"},
        "OperationOutcome": _OUTCOME,
        "Probe": {
            "type": "object",
            "required": ["status"],
            "properties": {"status": {"type": "string"}},
        },
        **as_sent(Discovery),
        **as_sent(Card),
        "CardResponse": _CARDS,
    }
