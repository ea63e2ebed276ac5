"""Every route of an application, described or not."""

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI


def routes(app: FastAPI) -> set[tuple[str, str]]:
    """Method and path template of each."""
    return {(method, path) for method, path in _routes(app.routes) if method != "HEAD"}


def _routes(listed: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for each in listed:
        if hasattr(each, "original_router"):
            yield from _routes(each.original_router.routes)
        else:
            yield from ((method, each.path) for method in each.methods)
