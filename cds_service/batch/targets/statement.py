"""What a server's CapabilityStatement says of a resource type, and how it is written once there. Pure.

decision 0020 has the four ways and why they stand in this order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

How = Literal["update", "condition", "search", "note"]


@dataclass(frozen=True)
class Way:
    """`update`: under an id of ours. `condition`: created unless one with the identifier is there.
    `search`: looked for with the parameter `by`, then created. `note`: created after it was noted in
    the store that it will be."""

    how: How
    by: str = ""


class _Code(msgspec.Struct, gc=False):
    code: str = ""


class _Parameter(msgspec.Struct, gc=False):
    name: str = ""


class _Resource(msgspec.Struct, rename="camel", gc=False):
    type: str = ""
    interaction: tuple[_Code, ...] = ()
    update_create: bool = False
    conditional_create: bool = False
    search_param: tuple[_Parameter, ...] = ()


class _Rest(msgspec.Struct, gc=False):
    mode: str = ""
    resource: tuple[_Resource, ...] = ()


class _Statement(msgspec.Struct, gc=False):
    rest: tuple[_Rest, ...] = ()


def way_of(statement: bytes, kind: str, lookups: Sequence[str]) -> Way | None:
    """The first way that is said to be there; None where the server says that it takes no such
    resource. Of a type that it says nothing about, an update is tried, which never makes two.
    `lookups`: search parameters that would find one, best first."""
    said = _said(statement, kind)
    if said is None:
        return Way("update")
    can = {each.code for each in said.interaction}
    if said.update_create and "update" in can:
        return Way("update")
    if "create" not in can:
        return None
    named = {each.name for each in said.search_param}
    by = next((each for each in lookups if each in named and "search-type" in can), None)
    if said.conditional_create and by == "identifier":
        return Way("condition", by)
    return Way("search", by) if by else Way("note")


def _said(statement: bytes, kind: str) -> _Resource | None:
    try:
        rests = msgspec.json.decode(statement, type=_Statement).rest
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    listed = (each for rest in rests if rest.mode == "server" for each in rest.resource)
    return next((each for each in listed if each.type == kind and each.interaction), None)
