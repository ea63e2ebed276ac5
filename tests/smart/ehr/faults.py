"""What the fake EHR does wrong when a test tells it to. Everything off: it follows SMART App Launch 2.2."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Tampered = Literal["signature", "aud", "iss", "nonce", "exp", "alg none", "missing"]
Scopes = tuple[str, ...]


def _as_asked(scopes: Scopes) -> Iterable[str]:
    return scopes


def without(*types: str) -> Callable[[Scopes], Iterable[str]]:
    """Grant everything but what is of these resource types."""
    return lambda scopes: (each for each in scopes if not any(f"/{t}." in each for t in types))


def only_category(resource_type: str, category: str) -> Callable[[Scopes], Iterable[str]]:
    """Grant this type by a granular scope: one category of it."""
    return lambda scopes: (
        f"{each}?category={category}" if f"/{resource_type}." in each else each for each in scopes
    )


def v1(scopes: Scopes) -> Iterable[str]:
    """Grant in the words of SMART 1: `.read` for `.rs`."""
    return (each.rpartition(".")[0] + ".read" if each.endswith(".rs") else each for each in scopes)


@dataclass(frozen=True)
class Faults:
    """Switches of one FakeEhr; `with ehr.failing(...)` sets some for a while.

    `configuration`: members of smart-configuration replaced, None to leave one out. `granted`: what
    is granted of the scopes asked for. `fhir_status`: by resource type, "*" for all.
    """

    configuration: Mapping[str, Any] = field(default_factory=dict)
    configuration_status: int = 200
    wrong_state: bool = False
    no_state: bool = False
    denied: bool = False
    granted: Callable[[Scopes], Iterable[str]] = _as_asked
    token_error: str = ""
    expires_in: int = 3600
    without_refresh: bool = False
    refresh_refused: bool = False
    id_token: Tampered | None = None
    token_response: Mapping[str, Any] = field(default_factory=dict)
    without_patient: bool = False
    another_patient: str = ""
    without_encounter: bool = False
    fhir_status: Mapping[str, int] = field(default_factory=dict)
