"""application/x-www-form-urlencoded bodies."""

from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request

FORM = "application/x-www-form-urlencoded"


async def form_of(request: Request, *, several: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a form; those of `several` as lists."""
    assert request.headers.get("content-type", "").split(";")[0] == FORM
    pairs = parse_qsl((await request.body()).decode(), keep_blank_values=True)
    return dict(pairs) | {name: [v for key, v in pairs if key == name] for name in several}
