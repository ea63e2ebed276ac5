"""The manifest of a finished export, in the forms of versions 1 to 4, made one. Pure.

`outcome` is what version 4 calls `error`; `request` and `extension` are not read, so that their forms
do not matter. An output without a type (files organised by patient) is taken, its types unknown.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import httpx
import msgspec

from cds_service.batch.calling.addresses import checked, plain
from cds_service.batch.calling.sending import same_origin
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.asking import kind_of

Kind = Literal["output", "deleted", "outcome"]
_MEMBERS: Final[Mapping[str, Kind]] = {
    "output": "output",
    "deleted": "deleted",
    "error": "outcome",
    "outcome": "outcome",
}


class RemoteFile(msgspec.Struct, frozen=True):
    """One file of a manifest. `count`: its lines, where the server says. `authorized`: with a token."""

    kind: Kind
    type: str
    url: str
    count: int | None
    authorized: bool


class Page(msgspec.Struct, frozen=True):
    """One manifest; `next_page` where it goes on in another."""

    files: tuple[RemoteFile, ...]
    transaction_time: str | None
    next_page: str | None


def read_manifest(body: bytes, url: str) -> Page | None:
    """The manifest that came from `url`; None where it is none. Raises BatchError."""
    try:
        stated = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if not isinstance(stated, dict) or ("transactionTime" not in stated and "output" not in stated):
        return None
    time = stated.get("transactionTime")
    return Page(
        tuple(_files(stated, url)),
        time if isinstance(time, str) else None,
        _next_page(stated, url),
    )


def _files(stated: Mapping[str, Any], url: str) -> Iterator[RemoteFile]:
    needed = stated.get("requiresAccessToken")
    for member, kind in _MEMBERS.items():
        for item in _items(stated, member):
            where = f"{plain(url)}: {member}"
            address = checked(_joined(url, item.get("url")), f"{where}: a file")
            yield RemoteFile(
                kind, kind_of(item.get("type")), address, _count(item), _token(needed, address, url)
            )


def _token(needed: object, address: str, manifest: str) -> bool:
    """Where the manifest does not say, as it must, only the server itself gets the token."""
    said = {"true": True, "false": False}.get(str(needed).lower())
    return same_origin(address, manifest) if said is None else said


def _next_page(stated: Mapping[str, Any], url: str) -> str | None:
    for each in _items(stated, "link"):
        if each.get("relation") == "next":
            return checked(_joined(url, each.get("url")), f"{plain(url)}: link next")
    return None


def _items(stated: Mapping[str, Any], member: str) -> list[dict[str, Any]]:
    listed = stated.get(member)
    if not isinstance(listed, list | None) or any(not isinstance(e, dict) for e in listed or ()):
        raise BatchError(
            f"the manifest of the export: {member}",
            "is not a list of objects.",
            "Ask those who run the server.",
        )
    return listed or []


def _joined(url: str, address: object) -> str | None:
    try:
        return str(httpx.URL(url).join(address)) if isinstance(address, str) and address else None
    except httpx.InvalidURL:
        return None


def _count(item: Mapping[str, Any]) -> int | None:
    count = item.get("count")
    return count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
