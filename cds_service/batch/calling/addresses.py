"""Addresses that a server or a user gives: which may be called, and what an error may say of them."""

import re
from typing import Final

import httpx
from pydantic import TypeAdapter, ValidationError

from cds_service.addresses import Resource
from cds_service.batch.errors import BatchError

_ADDRESS: Final[TypeAdapter[str]] = TypeAdapter(Resource)
_OF_SOMEBODY: Final = re.compile(r"(/(?:Patient|Encounter))/[^/$]+")


def checked(address: object, where: str) -> str:
    """An address that may be called. Raises BatchError."""
    try:
        return _ADDRESS.validate_python(address)
    except ValidationError:
        raise BatchError(
            where,
            "is no address that may be called.",
            "It has to be https (or http to this very machine), without user or fragment.",
        ) from None


def plain(url: httpx.URL | str) -> str:
    """An address as an error may say it: a query may hold a signature that opens the file, a path
    whose record it is."""
    bare = httpx.URL(url).copy_with(query=None)
    return str(bare.copy_with(path=_OF_SOMEBODY.sub(r"\1", bare.path)))
