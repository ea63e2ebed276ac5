"""A searchset Bundle, opened: its entries, and whether its pages are all of the answer. No meaning.

Resources stay undecoded bytes; what is wrong with one of them is not this module's business.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from fhir_mapping.resources import type_of

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_GRAVE = frozenset(("fatal", "error"))
LACKING = frozenset(("incomplete", "suppressed", "forbidden", "security", "too-costly", "timeout"))
"""Issue codes that speak of missing data, however mildly the server puts it."""


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw(b"null")
    search: _Search | None = None


class _Link(msgspec.Struct, gc=False):
    relation: str | None = None
    url: str | None = None


class _Bundle(msgspec.Struct, rename="camel", gc=False):
    resource_type: str = ""
    entry: tuple[_Entry, ...] | None = None
    link: tuple[_Link, ...] | None = None
    total: int | None = None


class _Problem(msgspec.Struct, gc=False):
    severity: str | None = None
    code: str | None = None


class _Outcome(msgspec.Struct, gc=False):
    issue: tuple[_Problem, ...] | None = None


_bundle = msgspec.json.Decoder(_Bundle)
_outcome = msgspec.json.Decoder(_Outcome)


@dataclass(frozen=True)
class Searchset:
    """One page. Entries by position in the Bundle; `supporting`: those with search mode `include`.

    `more`: it has a `next` link, whose address is `next_page` where it is written. `failed`: an
    outcome among the entries reports an error.
    """

    resources: tuple[tuple[int, msgspec.Raw], ...]
    supporting: frozenset[int]
    matches: int
    total: int | None
    more: bool
    next_page: str | None
    outcomes: int
    failed: bool


def open_searchset(raw: msgspec.Raw) -> Searchset | None:
    """Open a Bundle; None where it is not one."""
    try:
        return _opened(_bundle.decode(raw))
    except _UNREADABLE:
        return None


def type_and_searchset(raw: msgspec.Raw) -> tuple[str, Searchset | None]:
    """The resourceType, empty where there is none to be read, and the Bundle opened, None where it is
    not one or cannot be read: both in one go."""
    try:
        bundle = _bundle.decode(raw)
    except _UNREADABLE:
        return type_of(raw), None
    return bundle.resource_type, _opened(bundle) if bundle.resource_type == "Bundle" else None


def _opened(bundle: _Bundle) -> Searchset:
    entries = bundle.entry or ()
    modes = [(each.search and each.search.mode) or "match" for each in entries]
    resources = [each.resource for each in entries]
    outcomes = [raw for raw, mode in zip(resources, modes, strict=True) if mode == "outcome"]
    links = [link for link in bundle.link or () if (link.relation or "").lower() == "next"]
    return Searchset(
        resources=tuple([(n, resources[n]) for n, mode in enumerate(modes) if mode != "outcome"]),
        supporting=frozenset([n for n, mode in enumerate(modes) if mode == "include"]),
        matches=modes.count("match"),
        total=bundle.total,
        more=bool(links),
        next_page=next((link.url for link in links if link.url), None),
        outcomes=len(outcomes),
        failed=any(map(_grave, outcomes)),
    )


class Wholeness:
    """Whether pages, one after another and none of them kept, are all that was asked for."""

    def __init__(self) -> None:
        self._last: Searchset | None = None
        self._total: int | None = None
        self._matches: set[int] = set()

    def add(self, page: Searchset) -> None:
        """The next page. A match that is sent twice counts once: else a page that comes again fills
        a total."""
        self._last = page
        if page.total is not None:
            self._total = max(page.total, self._total or 0)
        found = (raw for number, raw in page.resources if number not in page.supporting)
        self._matches.update(hash(bytes(raw)) for raw in found)

    def holds(self, *, count: int | None, counted: bool = False) -> bool:
        """A last page of as many matches as were asked for may have been cut there. `counted`: not
        where the total says that it was all, as a server does that was asked here and now; what a
        client sends may have been cut and counted afterwards."""
        if self._last is None:
            return False
        cut = count is not None and self._last.matches >= count
        full = cut and not (counted and self._total is not None)
        return not self._last.more and not full and len(self._matches) >= (self._total or 0)


def is_whole(pages: Iterable[Searchset], *, count: int | None, counted: bool = False) -> bool:
    """The same of pages that are here, in order."""
    whole = Wholeness()
    for page in pages:
        whole.add(page)
    return whole.holds(count=count, counted=counted)


def _grave(raw: msgspec.Raw) -> bool:
    try:
        outcome = _outcome.decode(raw)
    except _UNREADABLE:
        return True
    return any(each.severity in _GRAVE or each.code in LACKING for each in outcome.issue or ())
