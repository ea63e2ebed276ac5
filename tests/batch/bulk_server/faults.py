"""What the fake bulk server does otherwise when a test tells it to. Everything off: version 2 of Bulk Data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Step = str
"""`token configuration kick-off status file delete group metadata`; a type for its search, with a slash
for a read of one: `Observation`, `Patient/`."""


@dataclass(frozen=True)
class Canned:
    """An answer instead of the proper one; `breaks_off` after so many bytes of its body."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def outcome(code: str, severity: str = "error", **members: Any) -> dict[str, Any]:
    """An OperationOutcome of one issue."""
    issue = {"severity": severity, "code": code} | members
    return {"resourceType": "OperationOutcome", "issue": [issue]}


@dataclass
class Faults:
    """Switches of one FakeBulk.

    `instead`: answers given at a step before the proper ones, one for each request; `always`: for
    all. `manifest`: changes a manifest before it is sent. `configuration`: members of
    smart-configuration replaced, None to leave one out. `next_link`, `bundle`: change a searchset;
    `entries`: more of them by type, on each page.
    """

    instead: dict[Step, list[Canned]] = field(default_factory=dict)
    always: dict[Step, Canned] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    token_response: Mapping[str, Any] = field(default_factory=dict)
    expires_in: int = 300
    post_only: bool = False
    no_patient_parameter: bool = False
    strict_about: tuple[str, ...] = ()
    without_content_location: bool = False
    relative_content_location: bool = False
    polls: int = 1
    waiting: Mapping[str, str] = field(default_factory=dict)
    files_per_type: int = 1
    pages: int = 1
    requires_token: bool | None = True
    error_member: Literal["error", "outcome"] = "error"
    outcomes: tuple[dict[str, Any], ...] = ()
    deleted: tuple[str, ...] = ()
    manifest: Callable[[dict[str, Any]], dict[str, Any]] = lambda stated: stated
    gzip_encoding: bool = False
    gzip_files: bool = False
    break_off: int = 0
    lines_lost: int = 0
    forgets: Literal["", "jobs", "files"] = ""
    file_origin: str = ""
    ends_tokens_after: int = 0
    page_size: int = 1000
    next_link: Callable[[str], str] = lambda url: url
    bundle: Callable[[dict[str, Any]], Any] = lambda made: made
    entries: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    ignores_parameters: bool = False
