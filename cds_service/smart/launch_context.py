"""What a token response says beside tokens: patient, stay, what a card's link carried. Pure."""

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

LONGEST_ID: Final = 255
_ENCOUNTER: Final = re.compile(r"(?:.*/)?Encounter/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")


@dataclass(frozen=True)
class LaunchContext:
    """Ids as the server has them. `app_context`: the assessment's uuid that our card's link carried;
    anything else is not ours. `needs_banner`: unless it says that its own page shows whose chart
    this is."""

    patient_id: str | None = field(repr=False)
    encounter_id: str | None = field(repr=False)
    app_context: str | None
    needs_banner: bool


def launch_context(said: Mapping[str, Any]) -> LaunchContext:
    """The context in a token response; what has the wrong type counts as not said."""
    return LaunchContext(
        patient_id=_text(said, "patient"),
        encounter_id=_text(said, "encounter") or _encounter(said.get("fhirContext")),
        app_context=_uuid(_text(said, "appContext")),
        needs_banner=said.get("need_patient_banner") is not False,
    )


def same_user(said: str, listed: Iterable[str], iss: str) -> bool:
    """Whether `fhirUser` is one of a list, each a whole address or relative to the server's base."""
    base = f"{iss.rstrip('/')}/"
    return said.removeprefix(base) in {each.removeprefix(base) for each in listed}


def _text(said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_ID else None


def _uuid(value: str | None) -> str | None:
    try:
        return str(uuid.UUID(value)) if value else None
    except ValueError:
        return None


def _encounter(listed: object) -> str | None:
    """The one stay that `fhirContext` names; of several, which is meant is not known."""
    entries = (
        [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    )
    named = [each["reference"] for each in entries if isinstance(each.get("reference"), str)]
    found = {match[1] for each in named if (match := _ENCOUNTER.fullmatch(each))}
    return found.pop() if len(found) == 1 else None
