"""What clients send, as JSON Schema: the hook request and the feedback of CDS Hooks 2.0.

For the description of the service; call.py reads requests by hand, so that a refusal can name a
path without quoting a value. Unknown members are welcome everywhere.
"""

from typing import Any

from cds_service.hooks.call import LONGEST
from cds_service.hooks.feedback import LONGEST_COMMENT, MOST_ENTRIES, MOST_SUGGESTIONS
from fhir_mapping.prefetch import PREFETCH

Json = dict[str, Any]
_TEXT: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST}
_ID: Json = _TEXT | {
    "pattern": r"^[^/\s]+$",
    "description": "A bare id: no reference, no space, nothing that cannot be printed.",
}
_RESOURCE: Json = {
    "type": "object",
    "required": ["resourceType"],
    "properties": {"resourceType": {"type": "string"}, "id": {"type": "string"}},
}
_CODING: Json = {
    "type": "object",
    "required": ["system", "code"],
    "properties": {"system": _TEXT, "code": _TEXT, "display": {"type": "string"}},
}


def hook_request(hooks: tuple[str, ...]) -> Json:
    """The body of a call from one of these hooks."""
    return {
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "properties": {
            "hook": {"type": "string", "enum": list(hooks)},
            "hookInstance": _TEXT,
            "fhirServer": {"type": "string", "format": "uri"},
            "fhirAuthorization": _authorization(),
            "context": _context(),
            "prefetch": {"type": ["object", "null"], "properties": _prefetch()},
            "extension": {"type": "object"},
        },
    }


def _context() -> Json:
    return {
        "type": "object",
        "required": ["userId", "patientId"],
        "properties": {
            "userId": _TEXT,
            "patientId": _ID,
            "encounterId": _ID | {"description": "Required but for patient-view. A bare id."},
        },
    }


def _authorization() -> Json:
    names = ("access_token", "token_type", "scope", "subject")
    return {
        "type": "object",
        "properties": {
            **{name: {"type": "string"} for name in names},
            "expires_in": {"type": "integer"},
            "patient": {"type": "string"},
        },
    }


def _prefetch() -> Json:
    """Null says that there is nothing; an OperationOutcome that the client could not say."""
    return {
        each.key: {
            "anyOf": [{"type": "null"}, _RESOURCE],
            "description": f"A {'Bundle of ' * bool(each.count)}{each.resource_type}.",
        }
        for each in PREFETCH
    }


_SUGGESTION: Json = {"type": "object", "required": ["id"], "properties": {"id": _TEXT}}
_COMMENT: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST_COMMENT}
_ENTRY: Json = {
    "type": "object",
    "required": ["card", "outcome", "outcomeTimestamp"],
    "properties": {
        "card": _TEXT | {"description": "The card's uuid."},
        "outcome": {"enum": ["accepted", "overridden"]},
        "acceptedSuggestions": {
            "type": "array",
            "maxItems": MOST_SUGGESTIONS,
            "items": _SUGGESTION,
            "description": "Required, and not empty, of an accepted card.",
        },
        "overrideReason": {
            "type": "object",
            "properties": {"reason": _CODING, "userComment": _COMMENT},
            "minProperties": 1,
        },
        "outcomeTimestamp": {"type": "string", "format": "date-time"},
    },
}
FEEDBACK: Json = {
    "type": "object",
    "required": ["feedback"],
    "properties": {
        "feedback": {"type": "array", "minItems": 1, "maxItems": MOST_ENTRIES, "items": _ENTRY}
    },
}
