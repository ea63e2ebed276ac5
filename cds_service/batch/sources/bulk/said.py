"""What an export says beside its resources: what went wrong with which types, and what is gone."""

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from cds_service.batch.errors import BatchError
from cds_service.searchsets import LACKING

_GRAVE: Final = frozenset(("fatal", "error"))
_LACKING: Final = LACKING | {"not-supported"}
_WORD: Final = re.compile(r"[A-Za-z]+")
_ENTRY: Final = re.compile(r"(?:.*/)?([A-Z][A-Za-z]{0,63})/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")


def types_lacking(outcomes: Iterable[Path], types: Collection[str]) -> frozenset[str]:
    """Types of which the server says that something failed. An error that names none is about all."""
    lacking: set[str] = set()
    for path in outcomes:
        for _, line in _lines(path):
            for issue in _issues(line):
                lacking |= _named(issue, types) or set(types)
    return frozenset(lacking)


def deletions(files: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """(type, id) of each DELETE. Raises BatchError: what is gone must not be kept by mistake."""
    for path in files:
        for number, line in _lines(path):
            gone = _gone(line)
            if gone is None:
                raise BatchError(
                    f"{path}, line {number}",
                    "is no Bundle of deletions, so what is gone at the server cannot be told.",
                    "Ask those who run the server.",
                )
            yield from gone


def _gone(line: bytes) -> list[tuple[str, str]] | None:
    try:
        return list(_deleted(msgspec.json.decode(line)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def _deleted(bundle: Any) -> Iterator[tuple[str, str]]:
    if bundle["resourceType"] != "Bundle":
        raise ValueError("no Bundle")
    for entry in bundle.get("entry") or ():
        request = entry["request"]
        found = _ENTRY.fullmatch(request["url"])
        if request["method"] != "DELETE" or found is None:
            raise ValueError("no deletion of one resource")
        yield found[1], found[2]


def _issues(line: bytes) -> list[dict[str, Any]]:
    """The issues that matter; an outcome that cannot be read matters and names nothing."""
    try:
        stated = msgspec.json.decode(line)
        listed = [each for each in stated["issue"] if isinstance(each, dict)]
    except (msgspec.MsgspecError, UnicodeError, RecursionError, LookupError, TypeError):
        return [{}]
    return [e for e in listed if e.get("severity") in _GRAVE or e.get("code") in _LACKING]


def _named(issue: dict[str, Any], types: Collection[str]) -> set[str]:
    """By where it says that it is; failing that, by what its text names."""
    for member in ("expression", "location"):
        if found := _words(issue.get(member)) & set(types):
            return found
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else None
    return (_words(text) | _words(issue.get("diagnostics"))) & set(types)


def _words(value: Any) -> set[str]:
    texts = value if isinstance(value, list) else [value]
    return {word for text in texts if isinstance(text, str) for word in _WORD.findall(text)}


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error):
        raise BatchError(
            str(path), "cannot be read to its end.", "Give another folder, and export anew."
        ) from None
