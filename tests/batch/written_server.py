"""A fake FHIR server that is written to: it can do what its statement says, and no more.

A condition, a search or an id of the client's that it does not know it ignores or refuses as servers
do, so that whoever relies on what it lacks writes something twice.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.batch.bulk_server.faults import outcome
from tests.batch.bulk_server.noting import refused
from tests.batch.bulk_server.serving import running
from tests.batch.bulk_server.state import FakeBulk, Seen

Json = dict[str, Any]
PAGE = 2
KINDS = ("Device", "RiskAssessment", "Provenance")


def stated(*interactions: str, search: tuple[str, ...] = (), **can: bool) -> Json:
    """What a statement says of one type."""
    codes = [{"code": each} for each in interactions]
    return {"interaction": codes, "searchParam": [{"name": each} for each in search]} | can


def _of_each(search: Mapping[str, str], *interactions: str, **can: bool) -> dict[str, Json]:
    return {
        kind: stated(*interactions, search=(search[kind],) if kind in search else (), **can)
        for kind in KINDS
    }


_IDENTIFIERS = {"Device": "identifier", "RiskAssessment": "identifier", "Provenance": "target"}
WAYS: dict[str, dict[str, Json]] = {
    "update": _of_each({}, "read", "update", "create", updateCreate=True),
    "condition": _of_each(_IDENTIFIERS, "create", "search-type", conditionalCreate=True),
    "search": _of_each(_IDENTIFIERS, "create", "search-type", "update"),
    "search by subject": _of_each(
        _IDENTIFIERS | {"RiskAssessment": "subject"}, "create", "search-type"
    ),
    "note": _of_each({}, "create", "read"),
}
"""Servers, by the best way that each of them has."""


@dataclass
class FakeFhir(FakeBulk):
    """`held`: by type and id. `writes`: creations and updates that were taken, as `POST Type`.
    `before`: what answers in place of the server; `after`: what happens between the deed and the
    answer, which it may replace."""

    closed: bool = False
    statement: dict[str, Json] = field(default_factory=lambda: WAYS["update"])
    held: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))
    removed: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    before: Callable[[str, str, Json], Response | None] = lambda method, kind, body: None
    after: Callable[[str, str, Json], Response | None] = lambda method, kind, body: None
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def can(self, kind: str, interaction: str) -> bool:
        codes = self.statement.get(kind, {}).get("interaction", ())
        return {"code": interaction} in codes

    def of(self, kind: str) -> list[Json]:
        """All of a type."""
        return list(self.held[kind].values())


def fake_fhir() -> AbstractContextManager[FakeFhir]:
    """A running server."""
    routes = [
        Route("/fhir/metadata", _metadata),
        Route("/fhir/{kind}", _search, methods=["GET"]),
        Route("/fhir/{kind}", _create, methods=["POST"]),
        Route("/fhir/{kind}/{id}", _read, methods=["GET"]),
        Route("/fhir/{kind}/{id}", _update, methods=["PUT"]),
    ]
    return running(FakeFhir, routes)


async def _metadata(request: Request) -> Response:
    server: FakeFhir = request.app.state.server
    resources = [{"type": kind} | said for kind, said in server.statement.items()]
    rest = [{"mode": "server", "resource": resources}]
    return JSONResponse({"resourceType": "CapabilityStatement", "rest": rest})


async def _asked(request: Request) -> tuple[FakeFhir, str, Json, Response | None]:
    server: FakeFhir = request.app.state.server
    kind = request.path_params["kind"]
    body: Json = await request.json() if request.method in ("POST", "PUT") else {}
    token = request.headers.get("authorization", "").removeprefix("Bearer ") or None
    headers = dict(request.headers)
    path, query = request.url.path, dict(request.query_params)
    server.seen.append(Seen("file", request.method, path, query, headers, body, token))
    return server, kind, body, refused(server) or server.before(request.method, kind, body)


async def _read(request: Request) -> Response:
    server, kind, _, instead = await _asked(request)
    if instead is not None:
        return instead
    name = request.path_params["id"]
    if f"{kind}/{name}" in server.removed:
        return JSONResponse(outcome("deleted"), 410)
    found = server.held[kind].get(name)
    return JSONResponse(found) if found else JSONResponse(outcome("not-found"), 404)


async def _update(request: Request) -> Response:
    server, kind, body, instead = await _asked(request)
    if instead is not None:
        return instead
    name = request.path_params["id"]
    if name not in server.held[kind] and not server.statement.get(kind, {}).get("updateCreate"):
        return JSONResponse(outcome("not-supported"), 405)
    assert body["id"] == name
    return _kept(server, "PUT", kind, name, body)


async def _create(request: Request) -> Response:
    server, kind, body, instead = await _asked(request)
    if instead is not None:
        return instead
    if not server.can(kind, "create"):
        return JSONResponse(outcome("not-supported"), 405)
    condition = request.headers.get("if-none-exist")
    if condition and server.statement[kind].get("conditionalCreate"):
        matching = _matching(server, kind, *condition.split("=", 1))
        if matching:
            name = matching[0]["id"]
            return Response(status_code=200, headers={"location": f"{kind}/{name}/_history/1"})
    assert "id" not in body
    name = f"s{next(server.numbers)}"
    return _kept(server, "POST", kind, name, body)


def _kept(server: FakeFhir, method: str, kind: str, name: str, body: Json) -> Response:
    server.held[kind][name] = body | {"id": name}
    server.writes.append(f"{method} {kind}")
    instead = server.after(method, kind, body)
    where = f"{server.base}/{kind}/{name}/_history/1"
    return instead or Response(status_code=201, headers={"location": where})


async def _search(request: Request) -> Response:
    server, kind, _, instead = await _asked(request)
    if instead is not None:
        return instead
    asked = dict(request.query_params)
    at = int(asked.pop("page", 0))
    ((by, value),) = asked.items()
    known = {each["name"] for each in server.statement.get(kind, {}).get("searchParam", ())}
    if by not in known or not server.can(kind, "search-type"):
        return JSONResponse(outcome("not-supported"), 400)
    found = _matching(server, kind, by, value)
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    if found[at : at + PAGE]:
        bundle["entry"] = [{"resource": each} for each in found[at : at + PAGE]]
    if found[at + PAGE :]:
        onward = request.url.include_query_params(page=at + PAGE)
        bundle["link"] = [{"relation": "next", "url": str(onward)}]
    return JSONResponse(bundle)


def _matching(server: FakeFhir, kind: str, by: str, value: str) -> list[Json]:
    return [each for each in server.of(kind) if value in _terms(each, by)]


def _terms(resource: Json, by: str) -> list[str]:
    if by == "identifier":
        listed = resource.get("identifier", [])
        return [f"{each.get('system', '')}|{each['value']}".removeprefix("|") for each in listed]
    if by == "target":
        return [each["reference"] for each in resource["target"] if "reference" in each]
    return [resource["subject"].get("reference", "")]
