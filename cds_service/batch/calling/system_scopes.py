"""Scopes of a backend service: `system/Observation.rs`, or `.read` where a server knows version 1 only."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

_SCOPE: Final = re.compile(
    r"system/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(\?.*)?"
)


@dataclass(frozen=True)
class Readable:
    """Resource types by what a token lets be read of them: all, or a part (`?category=...`)."""

    whole: frozenset[str]
    narrowed: frozenset[str] = frozenset()


def asked_for(reads: Iterable[str], writes: Iterable[str], *, v1: bool) -> str:
    """The `scope` parameter: no wildcard, no more than is used."""
    read, write = ("read", "write") if v1 else ("rs", "cu")
    return " ".join(
        [
            *(f"system/{each}.{read}" for each in reads),
            *(f"system/{each}.{write}" for each in writes),
        ]
    )


def readable(scope: str, types: Collection[str]) -> Readable:
    """What `scope` allows of these types. One that has no system scope at all says nothing of use:
    what was asked for is then tried."""
    found = [match for each in scope.split() if (match := _SCOPE.fullmatch(each))]
    if not found:
        return Readable(frozenset(types))
    reading = [each for each in found if each[2] in ("read", "*") or set(each[2]) & {"r", "s"}]
    whole = {name for name in types if _allowed(name, (e for e in reading if not e[3]))}
    part = {name for name in types if _allowed(name, (e for e in reading if e[3]))}
    return Readable(frozenset(whole), frozenset(part - whole))


def only_v1(stated: Mapping[str, Any]) -> bool:
    """Whether a server shows version 1 of SMART's scopes and nothing of version 2."""
    capabilities, scopes = _words(stated, "capabilities"), _words(stated, "scopes_supported")
    if "permission-v2" in capabilities:
        return False
    forms = [found[2] for each in scopes if (found := _SCOPE.fullmatch(each))]
    shown = "permission-v1" in capabilities or bool(forms)
    return shown and all(form in ("read", "write", "*") for form in forms)


def _allowed(name: str, scopes: Iterable[re.Match[str]]) -> bool:
    return any(each[1] in ("*", name) for each in scopes)


def _words(stated: Mapping[str, Any], name: str) -> list[str]:
    value = stated.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
