"""The read API in our OpenAPI description. hooks/openapi.py puts it beside the rest."""

from cds_service.api.schemas import Assessed, Assessments
from cds_service.api.searches import MOST, PAGE
from cds_service.errors import FHIR_JSON
from cds_service.openapi_elements import Json, as_sent, operation

SCHEME = "reader"
FORM = "application/x-www-form-urlencoded"
TOKEN: Json = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "An access token of the site's own authorization server with system/, user/ or"
        " patient/RiskAssessment.rs."
    ),
}
_ONE = {"name": "assessment_id", "in": "path", "required": True, "schema": {"type": "string"}}
_PAGE = "The next page, as the link to it says; then nothing else is needed."
_AUTHENTICATION = frozenset((401, 403))


def paths(*, guarded: bool) -> Json:
    """`guarded`: readers must bring a token; else whoever is on this machine may read."""
    asked: Json = {"security": [{SCHEME: []}]} if guarded else {}
    searching, reading = (_refusals(each, guarded) for each in ((400,), (404,)))
    posting = _refusals((400, 413, 415), guarded)
    json_search = [_patient(), _since(), _number("count"), _text(PAGE, _PAGE)]
    fhir_search = [_patient(), _number("_count"), _text(PAGE, _PAGE)]
    form = {each["name"]: each["schema"] for each in fhir_search}
    return {
        "/assessments": {
            "get": operation("Assessments", "Of one patient.", "Assessments", searching)
            | {"parameters": json_search}
            | asked
        },
        "/assessments/{assessment_id}": {
            "parameters": [_ONE],
            "get": operation("Assessment", "One, whole.", "Assessed", reading) | asked,
        },
        "/fhir/metadata": {"get": _fhir("Capabilities", "What this endpoint can do.", ())},
        "/fhir/RiskAssessment": {
            "get": _fhir("SearchRiskAssessment", "Of one patient.", searching)
            | {"parameters": fhir_search}
            | asked
        },
        "/fhir/RiskAssessment/_search": {
            "post": _fhir("PostSearchRiskAssessment", "Of one patient.", posting)
            | {"requestBody": _form(form)}
            | asked
        },
        "/fhir/RiskAssessment/{assessment_id}": {
            "parameters": [_ONE],
            "get": _fhir("ReadRiskAssessment", "One.", reading) | asked,
        },
    }


def schemas() -> Json:
    """What the paths refer to."""
    resource = {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"type": "string"}},
    }
    return as_sent(Assessments) | as_sent(Assessed) | {"Resource": resource}


def _refusals(own: tuple[int, ...], guarded: bool) -> list[int]:
    return sorted({*own, *(_AUTHENTICATION if guarded else ()), 500, 503})


def _fhir(name: str, summary: str, refusals: list[int] | tuple[()]) -> Json:
    return operation(name, summary, "Resource", refusals, media_type=FHIR_JSON)


def _form(properties: Json) -> Json:
    schema = {"type": "object", "properties": properties}
    return {"required": True, "content": {FORM: {"schema": schema}}}


def _patient() -> Json:
    return _text("patient", "Their id, `Patient/` before it or not; needed but for a next page.")


def _since() -> Json:
    found = _text("since", "Only those made then or later: a time with its zone.")
    found["schema"]["format"] = "date-time"
    return found


def _number(name: str) -> Json:
    schema = {"type": "integer", "minimum": 0, "maximum": MOST}
    return _parameter(name, schema, "How many on a page.")


def _text(name: str, description: str) -> Json:
    return _parameter(name, {"type": "string"}, description)


def _parameter(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "description": description, "schema": schema}
