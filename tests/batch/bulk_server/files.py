"""The files of a job, whole or not."""

import gzip
import json
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse

from tests.batch.bulk_server.export import part_of
from tests.batch.bulk_server.faults import outcome
from tests.batch.bulk_server.noting import noted, refused
from tests.batch.bulk_server.state import TYPES, FakeBulk, Job

NDJSON = "application/fhir+ndjson"


async def file(request: Request) -> Response:
    server, instead = await noted(request, "file")
    if instead is not None:
        return instead
    if server.faults.requires_token is not False and (no := refused(server)):
        return no
    if server.faults.forgets == "files":
        return JSONResponse(outcome("not-found"), 404)
    content = _content(server, request.path_params["job"], request.path_params["name"])
    headers = {}
    if server.faults.gzip_files:
        content = gzip.compress(content)
    if server.faults.gzip_encoding:
        content, headers = gzip.compress(content), {"content-encoding": "gzip"}
    if server.faults.break_off:
        server.faults.break_off -= 1
        told = headers | {"content-length": str(len(content))}
        return StreamingResponse(_half(content), media_type=NDJSON, headers=told)
    return Response(content, media_type=NDJSON, headers=headers)


async def moved(request: Request) -> Response:
    """A redirect to where the query says."""
    await noted(request, "file")
    return RedirectResponse(request.query_params["to"], 307)


async def _half(content: bytes) -> AsyncIterator[bytes]:
    yield content[: len(content) // 2]


def _content(server: FakeBulk, job: str, name: str) -> bytes:
    if name == "outcomes":
        return lines([*server.faults.outcomes])
    if name == "deleted":
        return lines(
            [{"resourceType": "Bundle", "type": "transaction", "entry": _deletions(server)}]
        )
    kind, _, part = name.partition("-")
    of_another = Job(TYPES, 0)  # a server that only has the files
    listed = part_of(server, server.jobs.get(job, of_another), kind, int(part))
    if server.faults.lines_lost:
        server.faults.lines_lost -= 1
        listed = listed[:-1]
    return lines(listed)


def _deletions(server: FakeBulk) -> list[dict]:
    return [{"request": {"method": "DELETE", "url": each}} for each in server.faults.deleted]


def lines(resources: list[dict]) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in resources)
