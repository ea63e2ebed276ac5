"""Searches and reads: pages of a searchset, by patient, class, status and dates, as far as it is told to."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.batch.bulk_server.faults import outcome
from tests.batch.bulk_server.noting import noted, refused
from tests.batch.bulk_server.state import FakeBulk

Json = dict[str, Any]


async def search(request: Request) -> Response:
    kind = request.path_params["kind"]
    server, instead = await noted(request, kind)
    if (no := instead or refused(server)) is not None:
        return no
    server.searching += 1
    server.most_at_once = max(server.most_at_once, server.searching)
    if server.together:
        await server.together.wait()
    server.searching -= 1
    return _found(request, kind, server)


def _found(request: Request, kind: str, server: FakeBulk) -> Response:
    query = dict(request.query_params)
    found = [each for each in server.records.get(kind, []) if _fits(each, query, server)]
    size, page = server.faults.page_size, int(query.get("_page", "0"))
    entries = [{"resource": each} for each in found[page * size : (page + 1) * size]]
    bundle: Json = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
    bundle["entry"] = entries + [dict(each) for each in server.faults.entries.get(kind, ())]
    if (page + 1) * size < len(found):
        onward = str(request.url.include_query_params(_page=page + 1))
        bundle["link"] = [{"relation": "next", "url": server.faults.next_link(onward)}]
    return _dated(JSONResponse(server.faults.bundle(bundle)), server)


async def read(request: Request) -> Response:
    kind, name = request.path_params["kind"], request.path_params["name"]
    server, instead = await noted(request, f"{kind}/")
    if (no := instead or refused(server)) is not None:
        return no
    listed = [each for each in server.records.get(kind, []) if each["id"] == name]
    if not listed:
        return JSONResponse(outcome("not-found"), 404)
    return _dated(JSONResponse(listed[0]), server)


async def metadata(request: Request) -> Response:
    server, instead = await noted(request, "metadata")
    return instead or _dated(JSONResponse({"resourceType": "CapabilityStatement"}), server)


def _fits(resource: Json, query: dict[str, str], server: FakeBulk) -> bool:
    if server.faults.ignores_parameters:
        return True
    patient = query.get("patient")
    if patient and patient != _whose(resource):
        return False
    if "identifier" in query:
        system, _, value = query["identifier"].partition("|")
        return {"system": system, "value": value} in resource.get("identifier", ())
    changed = resource.get("meta", {}).get("lastUpdated")
    if changed and "_lastUpdated" in query:
        since = datetime.fromisoformat(query["_lastUpdated"].removeprefix("ge"))
        if datetime.fromisoformat(changed) < since:
            return False
    status, of = query.get("status"), query.get("class")
    right = not status or resource.get("status") in status.split(",")
    return right and (not of or resource.get("class", {}).get("code") in of.split(","))


def _whose(resource: Json) -> str:
    stated = resource.get("subject") or resource.get("beneficiary") or {}
    return str(stated.get("reference", "")).partition("Patient/")[2]


def _dated(answer: Response, server: FakeBulk) -> Response:
    answer.headers["date"] = f"{server.clock():%a, %d %b %Y %H:%M:%S} GMT"
    return answer
