"""SMART scopes: which are asked for, derived from the catalogue, and what those granted allow. Pure.

Version 2 (`patient/Observation.rs`) unless a server shows only version 1 (`.read`). No wildcard is
asked for; one that is granted counts.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from cds_service.smart.discovery import SmartConfiguration
from fhir_mapping.prefetch import Template

Kind = Literal["patient", "worklist"]
WORKLIST_TYPES: Final = ("Encounter", "Location", "Patient")
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE = re.compile(
    r"(patient|user)/(\*|[A-Z][A-Za-z]*)\.(read|write|\*|(?=[cruds])c?r?u?d?s?)(\?.*)?"
)
_READ_BY_ID: Final = frozenset(("Location", "Medication", "Patient"))
"""Never searched for: read, or included in another type's search."""


@dataclass(frozen=True)
class Granted:
    """Resource types by what may be read of them: all, a part (`?category=...`), nothing."""

    whole: frozenset[str]
    narrowed: frozenset[str]
    denied: tuple[str, ...]


def resource_types(asked: Iterable[Template]) -> tuple[str, ...]:
    """The types that these prefetch templates bring, in alphabetical order."""
    listed = tuple(asked)
    included = {"Medication" for each in listed if ":medication" in each.query}
    return tuple(sorted({each.resource_type for each in listed} | included))


def asked_for(
    kind: Kind, types: Collection[str], server: SmartConfiguration, *, in_ehr: bool
) -> str:
    """The `scope` parameter. `in_ehr`: the EHR launched the app and says for whom."""
    suffix = "read" if _only_v1(server) else "rs"
    if kind == "worklist":
        context, level = [], "user"
    else:
        context = ["launch"] if in_ehr else ["launch/patient", "launch/encounter"]
        level = "patient"
    identity = ["openid", "fhirUser"] if server.key_set else []
    resources = [f"{level}/{each}.{suffix}" for each in types]
    return " ".join([*context, *identity, *_lasting(server), *resources])


def granted(scope: str, types: Iterable[str], kind: Kind) -> Granted:
    """What a token's `scope` allows of the types that were asked for. In one patient's context a
    scope of the user's own serves too; in the worklist a patient's does not."""
    levels = ("user",) if kind == "worklist" else ("patient", "user")
    parsed = [found for each in scope.split() if (found := _SCOPE.fullmatch(each))]
    usable = [found for found in parsed if found[1] in levels]
    listed = tuple(types)
    whole = {each for each in listed if _readable(each, usable, narrowed=False)}
    part = {each for each in listed if _readable(each, usable, narrowed=True)} - whole
    return Granted(
        frozenset(whole),
        frozenset(part),
        tuple(each for each in listed if each not in whole | part),
    )


def lists_stays(types: Collection[str]) -> bool:
    """Whether a user who may read these types may see the worklist: it is a list of Encounters."""
    return "Encounter" in types


def _readable(resource_type: str, scopes: Iterable[re.Match[str]], *, narrowed: bool) -> bool:
    about = [each for each in scopes if each[2] in ("*", resource_type)]
    letters = {
        letter
        for each in about
        if bool(each[4]) == narrowed
        for letter in _V1.get(each[3], each[3])
    }
    return bool(letters & ({"r", "s"} if resource_type in _READ_BY_ID else {"s"}))


def _only_v1(server: SmartConfiguration) -> bool:
    if "permission-v2" in server.capabilities:
        return False
    forms = [found[3] for each in server.scopes if (found := _SCOPE.fullmatch(each))]
    stated = "permission-v1" in server.capabilities
    return all(form in _V1 for form in forms) and (stated or bool(forms))


def _lasting(server: SmartConfiguration) -> list[str]:
    """A refresh token for as long as the user is there, or else at all; where the server lists it."""
    for scope, capability in (
        ("online_access", "permission-online"),
        ("offline_access", "permission-offline"),
    ):
        if scope in server.scopes or capability in server.capabilities:
            return [scope]
    return []
