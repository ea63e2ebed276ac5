"""What is asked of a server that is searched: by the form of the address whose stays, of which server. Pure."""

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import msgspec

from cds_service.batch.calling.addresses import checked
from cds_service.batch.errors import BatchError
from cds_service.batch.scoring import Choice
from cds_service.batch.sources.bulk.asking import export_address
from fhir_mapping.history import Role
from fhir_mapping.profiles import Profile
from fhir_mapping.stay import OPEN_STATUS

COUNT: Final = 1000
"""Resources a page, as asked for; a server may give fewer."""
_TAIL: Final = re.compile(r"(?P<base>.*?)(?:/(?P<search>Encounter)|/Group/(?P<group>[^/]+))?")
_LISTED: Final = re.compile(r"(?:Patient|Encounter)/[A-Za-z0-9.-]{1,64}")


class Asked(msgspec.Struct, frozen=True):
    """Whose records are wanted of the server at `base`: of one of the three.

    `stays`: address of a search for Encounters; `fixed`: those that it finds are scored, and no
    others of their patients. `group`: id of a Group. `ids`: `Patient/...` and `Encounter/...`.
    """

    base: str
    stays: str | None = None
    fixed: bool = False
    group: str | None = None
    ids: tuple[str, ...] = ()


def is_export(source: str) -> bool:
    """Whether an address is that of a Bulk Data export."""
    return httpx.URL(source).path.rstrip("/").endswith("/$export")


def base_of(source: str) -> str:
    """The FHIR server that an address is at, whatever is taken from it. Raises BatchError."""
    checked(source, "--from")
    return export_address(source)[0] if is_export(source) else _parts(source)[0]


def asked_of(
    source: str, choice: Choice, classes: Sequence[str], ids: Sequence[str] | None
) -> Asked:
    """What an address asks for: a base alone the worklist of `choice` among encounters of these
    classes, or the patients and stays of `ids`. Raises BatchError."""
    base, search, group = _parts(source)
    if ids is not None:
        if search or group:
            raise BatchError("--ids", "goes with the base of a server alone.", _FORMS)
        return Asked(base, ids=tuple(ids))
    if group:
        return Asked(base, group=group)
    if search:
        if choice != Choice():
            raise BatchError(
                "--stays, --since, --until",
                "does not go with a search of yours.",
                "Write `status` and `date` into it.",
            )
        return Asked(base, stays=source, fixed=True)
    return Asked(base, stays=f"{base}/Encounter?{_worklist(choice, classes)}")


def changed_since(asked: Asked, moment: datetime) -> Asked:
    """Of the encounters that it searches those that changed since, by the server's clock. Raises
    BatchError where it searches for none."""
    if asked.stays is None:
        raise BatchError(
            "--after",
            "goes with an export or a search for encounters.",
            "Run without it: everything of these patients is asked for.",
        )
    joint = "&" if httpx.URL(asked.stays).query else "?"
    since = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return msgspec.structs.replace(asked, stays=f"{asked.stays}{joint}_lastUpdated=ge{since}")


def classes_of(profile: Profile, role: Role) -> tuple[str, ...]:
    """Encounter classes of a role; none where the site tells roles by something else as well."""
    if profile.encounter["role_by_identifier"]:
        return ()
    return tuple(name for name, of in profile.role_by_class.items() if of == role)


def read_ids(text: str) -> tuple[str, ...]:
    """The lines of a list, each once; blank ones do not count. Raises BatchError naming a line."""
    listed: dict[str, None] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        stated = line.strip()
        if stated and not _LISTED.fullmatch(stated):
            raise BatchError(
                f"--ids, line {number}",
                "is neither Patient/ID nor Encounter/ID.",
                "Write one of them on each line.",
            )
        if stated:
            listed[stated] = None
    if not listed:
        raise BatchError("--ids", "lists nobody.", "Write Patient/ID or Encounter/ID on each line.")
    return tuple(listed)


def _parts(source: str) -> tuple[str, str | None, str | None]:
    """Base, `Encounter` where that is searched, id of a Group."""
    url = httpx.URL(checked(source, "--from"))
    found = _TAIL.fullmatch(url.path.rstrip("/"))
    assert found  # noqa: S101 - the pattern takes any path
    base = str(url.copy_with(path=found["base"] or "/", query=None)).rstrip("/")
    if url.query and not found["search"]:
        raise BatchError("--from", "searches something else than Encounter.", _FORMS)
    return base, found["search"], found["group"]


def _worklist(choice: Choice, classes: Sequence[str]) -> str:
    """A period that overlaps the span, as `date` means it, or a day beside it: whose midnight a server
    takes is not known. The choice is exact later."""
    statuses = sorted(OPEN_STATUS) if choice.which == "open" else ["finished"]
    asked = [("class", ",".join(classes))] if classes else []
    asked.append(("status", ",".join(statuses)))
    if choice.which == "finished":
        bounds = (("ge", choice.since, -1), ("lt", choice.until, 1))
        asked += [("date", f"{prefix}{_beside(at, days)}") for prefix, at, days in bounds if at]
    return "&".join(f"{name}={value}" for name, value in [*asked, ("_count", str(COUNT))])


def _beside(at: datetime, days: int) -> str:
    with suppress(OverflowError):  # the last day that there is, meant as no end
        at += timedelta(days=days)
    return at.date().isoformat()


_FORMS: Final = (
    "Name the base of a FHIR server, alone or with --ids; or after it /Encounter?..., /Group/ID or"
    " /$export."
)
