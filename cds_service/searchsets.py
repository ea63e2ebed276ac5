"""A searchset Bundle, opened: its entries and whether it is all of the answer. No meaning.

Resources stay undecoded bytes; what is wrong with one of them is not this module's business.
"""

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
    """Entries by position in the Bundle. `supporting`: those with search mode `include`."""

    resources: tuple[tuple[int, msgspec.Raw], ...]
    supporting: frozenset[int]
    outcomes: int
    complete: bool


def open_searchset(raw: msgspec.Raw, *, page: int | None) -> Searchset | None:
    """Open a Bundle; None where it is not one. `page`: how many matches the query asked for."""
    try:
        bundle = _bundle.decode(raw)
    except _UNREADABLE:
        return None
    modes = [(each.search and each.search.mode) or "match" for each in bundle.entry or ()]
    entries = [each.resource for each in bundle.entry or ()]
    outcomes = [raw for raw, mode in zip(entries, modes, strict=True) if mode == "outcome"]
    return Searchset(
        resources=tuple((n, entries[n]) for n, mode in enumerate(modes) if mode != "outcome"),
        supporting=frozenset(n for n, mode in enumerate(modes) if mode == "include"),
        outcomes=len(outcomes),
        complete=_whole(bundle, modes.count("match"), page) and not any(map(_grave, outcomes)),
    )


def _whole(bundle: _Bundle, matches: int, page: int | None) -> bool:
    more = any((link.relation or "").lower() == "next" for link in bundle.link or ())
    full = page is not None and matches >= page
    return not more and not full and matches >= (bundle.total or 0)


def _grave(raw: msgspec.Raw) -> bool:
    try:
        outcome = _outcome.decode(raw)
    except _UNREADABLE:
        return True
    return any(each.severity in _GRAVE for each in outcome.issue or ())
