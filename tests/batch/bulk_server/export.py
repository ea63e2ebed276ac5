"""Kick-off, status and the end of a job."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.batch.bulk_server.faults import outcome
from tests.batch.bulk_server.noting import noted, refused
from tests.batch.bulk_server.state import TRANSACTION_TIME, FakeBulk, Job


async def kick_off(request: Request) -> Response:
    server, instead = await noted(request, "kick-off")
    if instead is not None:
        return instead
    if no := refused(server):
        return no
    seen, faults = server.seen[-1], server.faults
    if seen.method == "GET" and faults.post_only:
        return JSONResponse(outcome("not-supported"), 405)
    if "respond-async" not in seen.headers.get("prefer", ""):
        return JSONResponse(outcome("invalid"), 400)
    asked = _types(seen.body if seen.method == "POST" else None, seen.query)
    lenient = "handling=lenient" in seen.headers["prefer"]
    if set(asked) & set(faults.strict_about) and not lenient:
        return JSONResponse(outcome("not-supported"), 400)
    name = f"job-{len(server.jobs) + 1}"
    server.jobs[name] = Job(tuple(e for e in server.records if e in asked), faults.polls)
    place = "" if faults.relative_content_location else server.origin
    told = {} if faults.without_content_location else {"content-location": f"{place}/jobs/{name}"}
    return Response(status_code=202, headers=told)


def _types(body: Any, query: dict[str, str]) -> list[str]:
    if body is None:
        return query["_type"].split(",")
    listed = [each["valueString"] for each in body["parameter"] if each["name"] == "_type"]
    assert not any("," in each for each in listed)
    return listed


async def status(request: Request) -> Response:
    server, instead = await noted(request, "status")
    if instead is not None:
        return instead
    if no := refused(server):
        return no
    name = request.path_params["job"]
    job = server.jobs.get(name)
    if job is None or job.deleted or server.faults.forgets == "jobs":
        return JSONResponse(outcome("not-found"), 404)
    if job.polls > 0:
        job.polls -= 1
        return Response(status_code=202, headers=dict(server.faults.waiting))
    page = int(request.query_params.get("page", "0"))
    return JSONResponse(server.faults.manifest(_manifest(server, name, job, page)))


def _manifest(server: FakeBulk, name: str, job: Job, page: int) -> dict[str, Any]:
    faults = server.faults
    place = f"{faults.file_origin or server.origin}/files/{name}"
    output = [
        {"type": kind, "url": f"{place}/{kind}-{part}", "count": len(_part(server, kind, part))}
        for kind in job.types
        for part in range(faults.files_per_type)
        if _part(server, kind, part)
    ]
    stated: dict[str, Any] = {
        "transactionTime": TRANSACTION_TIME,
        "request": f"{server.base}/$export",
        "output": output[page :: faults.pages],
        faults.error_member: [],
    }
    if faults.requires_token is not None:
        stated["requiresAccessToken"] = faults.requires_token
    if page == 0 and faults.outcomes:
        stated[faults.error_member] = [{"type": "OperationOutcome", "url": f"{place}/outcomes"}]
    if page == 0 and faults.deleted:
        stated["deleted"] = [{"type": "Bundle", "url": f"{place}/deleted"}]
    if page + 1 < faults.pages:
        onward = f"{server.origin}/jobs/{name}?page={page + 1}"
        stated["link"] = [{"relation": "next", "url": onward}]
    return stated


def _part(server: FakeBulk, kind: str, part: int) -> list[dict[str, Any]]:
    return server.records[kind][part :: server.faults.files_per_type]


async def delete(request: Request) -> Response:
    server, instead = await noted(request, "delete")
    if instead is not None:
        return instead
    if no := refused(server):
        return no
    job = server.jobs.get(request.path_params["job"])
    if job is None or job.deleted:
        return JSONResponse(outcome("not-found"), 404)
    job.deleted = True
    return Response(status_code=202)
