"""Every request is written down, answered by a fault where there is one, and else checked for its token."""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.batch.bulk_server.faults import Canned, Step
from tests.batch.bulk_server.state import FakeBulk, Seen


async def noted(request: Request, step: Step) -> tuple[FakeBulk, Response | None]:
    """The server, and what a fault answers in its place."""
    server: FakeBulk = request.app.state.server
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    server.seen.append(
        Seen(
            step,
            request.method,
            request.url.path,
            dict(request.query_params),
            dict(request.headers),
            _body(request, await request.body()),
            token if scheme == "Bearer" else None,
            request.url.query,
        )
    )
    server.on_request()
    canned = server.otherwise(step)
    return server, canned and answer(canned)


def answer(canned: Canned) -> Response:
    body = canned.body if isinstance(canned.body, str | bytes) else json.dumps(canned.body)
    return Response(body, canned.status, headers=dict(canned.headers))


def refused(server: FakeBulk) -> Response | None:
    """401 for a request without a token that is good now."""
    if not server.closed:
        return None
    token = server.seen[-1].token
    if server.tokens.get(token or "", 0.0) > server.now:
        return None
    return JSONResponse({"resourceType": "OperationOutcome", "issue": []}, 401)


def _body(request: Request, body: bytes) -> Any:
    kind = request.headers.get("content-type", "")
    return json.loads(body) if body and "json" in kind else body.decode()
