"""Kick-off, status and the end of a job."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.batch.bulk_server.faults import outcome
from tests.batch.bulk_server.noting import noted, refused
from tests.batch.bulk_server.state import FakeBulk, Job


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
    patients = _references(seen.body, "patient") if seen.method == "POST" else None
    if patients and faults.no_patient_parameter:
        return JSONResponse(outcome("not-supported"), 400)
    name = f"job-{len(server.jobs) + 1}"
    server.jobs[name] = Job(
        tuple(e for e in server.records if e in asked),
        faults.polls,
        since=_since(seen.body, seen.query),
        patients=patients or _members(server, request),
    )
    place = "" if faults.relative_content_location else server.origin
    told = {} if faults.without_content_location else {"content-location": f"{place}/jobs/{name}"}
    return Response(status_code=202, headers=told)


def _types(body: Any, query: dict[str, str]) -> list[str]:
    if body is None:
        return query["_type"].split(",")
    listed = [each["valueString"] for each in body["parameter"] if each["name"] == "_type"]
    assert not any("," in each for each in listed)
    return listed


def _references(body: Any, name: str) -> frozenset[str]:
    named = [each for each in body["parameter"] if each["name"] == name]
    return frozenset(each["valueReference"]["reference"].removeprefix("Patient/") for each in named)


def _since(body: Any, query: dict[str, str]) -> datetime | None:
    listed = body["parameter"] if body else []
    stated = [each["valueInstant"] for each in listed if each["name"] == "_since"]
    moment = query.get("_since") or next(iter(stated), None)
    return datetime.fromisoformat(moment) if moment else None


def _members(server: FakeBulk, request: Request) -> frozenset[str] | None:
    in_group = "group" in request.path_params and server.group is not None
    return frozenset(server.group or ()) if in_group else None


async def group(request: Request) -> Response:
    """The Group itself."""
    server, instead = await noted(request, "group")
    if instead is not None:
        return instead
    if no := refused(server):
        return no
    if server.group is None:
        return JSONResponse(outcome("not-found"), 404)
    member = [{"entity": {"reference": f"Patient/{each}"}} for each in sorted(server.group)]
    gone = {"entity": {"reference": "Patient/left"}, "inactive": True}
    headers = {"date": f"{server.clock():%a, %d %b %Y %H:%M:%S} GMT"}
    return JSONResponse({"resourceType": "Group", "member": [*member, gone]}, headers=headers)


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
        {
            "type": kind,
            "url": f"{place}/{kind}-{part}",
            "count": len(part_of(server, job, kind, part)),
        }
        for kind in job.types
        for part in range(faults.files_per_type)
        if part_of(server, job, kind, part)
    ]
    stated: dict[str, Any] = {
        "transactionTime": server.transaction_time,
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


def part_of(server: FakeBulk, job: Job, kind: str, part: int) -> list[dict[str, Any]]:
    """What is in one file of a job."""
    listed = [each for each in server.records[kind] if job.has(each)]
    return listed[part :: server.faults.files_per_type]


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
