"""What the parts of our OpenAPI description have in common: operations, answers, references."""

from collections.abc import Iterable
from functools import cache
from http import HTTPStatus
from typing import Any, Final

from cds_service.errors import FHIR_JSON

Json = dict[str, Any]
JSON: Final = "application/json"


def operation(
    name: str,
    summary: str,
    answer: str | None,
    refusals: Iterable[int],
    *,
    media_type: str = JSON,
) -> Json:
    """`answer`: the schema of a 200, None where it has no body; `refusals` have an OperationOutcome."""
    answers: Json = {"200": {"description": "OK, without a body"}}
    if answer:
        answers = {"200": response(HTTPStatus.OK, media_type, ref(answer))}
    outcome = ref("OperationOutcome")
    answers |= {str(each): response(HTTPStatus(each), FHIR_JSON, outcome) for each in refusals}
    return {"operationId": name.lower(), "summary": summary, "responses": answers}


def response(status: HTTPStatus, media_type: str, schema: Json) -> Json:
    """One answer."""
    return {"description": status.phrase, "content": {media_type: {"schema": schema}}}


def ref(name: str) -> Json:
    """To a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def as_sent(model: Any) -> Json:
    """The schemas of a pydantic model and its parts, by name: what has a default may be left out."""
    schema: Json = model.model_json_schema(
        ref_template="#/components/schemas/{model}", mode="serialization"
    )
    parts: Json = schema.pop("$defs", {})
    return parts | {model.__name__: schema}
