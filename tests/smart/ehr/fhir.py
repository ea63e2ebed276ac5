"""The FHIR server of the fake EHR: read and search of the example patients, as far as the token goes."""

import re
from collections.abc import Iterator

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cds_service.web.ehr_server import search
from tests.smart.ehr.state import Access, FakeEhr, Json

FHIR_JSON = "application/fhir+json"
SCOPE = re.compile(r"(patient|user|system)/(\w+|\*)\.([a-z]+|\*)(?:\?category=(.+))?")


async def find(request: Request) -> Response:
    """GET [base]/{type}?..."""
    ehr, kind, asked = _asked(request)
    access = _access(ehr, request)
    if refusal := _refusal(ehr, access, kind, "s"):
        return refusal
    parameters = {name: asked.getlist(name) for name in asked}
    named = [each for name in ("patient", "subject") for each in parameters.get(name, [])]
    bound = _bound(access, kind)
    if bound and any(each.rpartition("/")[2] != bound for each in named):
        return _outcome(403, "forbidden", "the token is for another patient")
    resources = [each for each in ehr.charts.resources() if _visible(each, access)]
    try:
        found = search.searchset(resources, kind, parameters, ehr.base, patient=bound)
    except search.UnsupportedSearchError as unknown:
        return _outcome(400, "not-supported", f"no such search parameter: {unknown}")
    return JSONResponse(found, media_type=FHIR_JSON)


async def read(request: Request) -> Response:
    """GET [base]/{type}/{id}."""
    ehr, kind, _ = _asked(request)
    access = _access(ehr, request)
    if refusal := _refusal(ehr, access, kind, "r"):
        return refusal
    found = search.read(ehr.charts.resources(), kind, request.path_params["name"])
    if found is None:
        return _outcome(404, "not-found", "no such resource")
    if not search.of(found, _bound(access, kind)) or not _visible(found, access):
        return _outcome(403, "forbidden", "the token is for another patient, or for less")
    return JSONResponse(found, media_type=FHIR_JSON)


def _asked(request: Request) -> tuple[FakeEhr, str, QueryParams]:
    ehr: FakeEhr = request.app.state.ehr
    kind = request.path_params["kind"]
    ehr.requests.append(("GET", f"/fhir/{kind}", dict(request.query_params)))
    return ehr, kind, request.query_params


def _access(ehr: FakeEhr, request: Request) -> Access | None:
    scheme, _, told = request.headers.get("authorization", "").partition(" ")
    access = ehr.accesses.get(told) if scheme == "Bearer" else None
    return access if access and access.expires > ehr.now else None


def _refusal(ehr: FakeEhr, access: Access | None, kind: str, action: str) -> Response | None:
    faults = ehr.faults.fhir_status
    if status := faults.get(kind, faults.get("*", 0)):
        return _outcome(status, "exception", "as the test wants it")
    if access is None:
        return _outcome(401, "login", "no token, or one that is not known or has expired")
    if not any(action in actions for _, actions, _ in _scopes(access, kind)):
        return _outcome(403, "forbidden", f"no scope for {kind}.{action}")
    return None


def _scopes(access: Access | None, kind: str) -> Iterator[tuple[str, str, str | None]]:
    """Of each scope for this type: level, actions as letters, category of a granular one."""
    for each in access.scopes if access else ():
        match = SCOPE.fullmatch(each)
        if match and match[2] in (kind, "*"):
            yield (
                match[1],
                {"read": "rs", "write": "cud", "*": "cruds"}.get(match[3], match[3]),
                match[4],
            )


def _bound(access: Access | None, kind: str) -> str | None:
    """The one patient that may be read: None where a user's scope reaches everybody's."""
    levels = {level for level, _, _ in _scopes(access, kind)}
    return None if access is None or levels - {"patient"} else access.context.patient


def _visible(resource: Json, access: Access | None) -> bool:
    """Within a scope for its type, and within its category; what is included must be too."""
    categories = [category for _, _, category in _scopes(access, resource["resourceType"])]
    return any(each is None or _in_category(resource, each) for each in categories)


def _in_category(resource: Json, category: str) -> bool:
    wanted = category.rpartition("|")[2]
    codings = (c for each in resource.get("category", []) for c in each.get("coding", []))
    return any(each.get("code") == wanted for each in codings)


def _outcome(status: int, code: str, text: str) -> Response:
    issue = {"severity": "error", "code": code, "diagnostics": text}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return JSONResponse(outcome, status, media_type=FHIR_JSON)
