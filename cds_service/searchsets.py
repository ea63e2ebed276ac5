"""A searchset Bundle, opened: its entries, and whether its pages are all of the answer. No meaning.

Resources stay undecoded bytes; what is wrong with one of them is not this module's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)
_GRAVE = frozenset(("fatal", "error"))


class _Search(msgspec.Struct, gc=False):
    mode: str | None = None


class _Entry(msgspec.Struct, gc=False):
    resource: msgspec.Raw = msgspec.Raw(b"null")
    search: _Search | None = None


class _Link(msgspec.Struct, gc=False):
    relation: str | None = None
    url: str | None = None


class _Bundle(msgspec.Struct, gc=False):
    entry: tuple[_Entry, ...] | None = None
    link: tuple[_Link, ...] | None = None
    total: int | None = None


class _Problem(msgspec.Struct, gc=False):
    severity: str | None = None


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
        bundle = _bundle.decode(raw)
    except _UNREADABLE:
        return None
    modes = [(each.search and each.search.mode) or "match" for each in bundle.entry or ()]
    entries = [each.resource for each in bundle.entry or ()]
    outcomes = [raw for raw, mode in zip(entries, modes, strict=True) if mode == "outcome"]
    links = [link for link in bundle.link or () if (link.relation or "").lower() == "next"]
    return Searchset(
        resources=tuple((n, entries[n]) for n, mode in enumerate(modes) if mode != "outcome"),
        supporting=frozenset(n for n, mode in enumerate(modes) if mode == "include"),
        matches=modes.count("match"),
        total=bundle.total,
        more=bool(links),
        next_page=next((link.url for link in links if link.url), None),
        outcomes=len(outcomes),
        failed=any(map(_grave, outcomes)),
    )


def is_whole(pages: Sequence[Searchset], *, count: int | None, counted: bool = False) -> bool:
    """Whether these pages, in order, are all that was asked for.

    A last page of as many matches as were asked for may have been cut there. `counted`: not where
    the total says that it was all, as a server does that was asked here and now; what a client
    sends may have been cut and counted afterwards.
    """
    last = pages[-1]
    total = max((page.total for page in pages if page.total is not None), default=None)
    full = count is not None and last.matches >= count and not (counted and total is not None)
    return not last.more and not full and (not total or _distinct(pages) >= total)


def _distinct(pages: Sequence[Searchset]) -> int:
    """Matches, one that was sent twice counted once: else a page that comes again fills a total."""
    return len(
        {
            bytes(raw)
            for page in pages
            for position, raw in page.resources
            if position not in page.supporting
        }
    )


def _grave(raw: msgspec.Raw) -> bool:
    try:
        outcome = _outcome.decode(raw)
    except _UNREADABLE:
        return True
    return any(each.severity in _GRAVE for each in outcome.issue or ())
