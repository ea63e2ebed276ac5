"""The settings of the environment, or the refusal that names the one at fault."""

import re
from typing import Any

from cds_service.errors import StartRefusedError
from cds_service.settings import Settings

_NAMED = re.compile(r'field "(\w+)"')


def settings_from(options: dict[str, Any]) -> Settings:
    """Settings of the environment under the options given. Raises StartRefusedError naming the setting."""
    try:
        return Settings(**options)
    except ValueError as wrong:
        fields = ", ".join(f"READMIT_{name.upper()}" for name in _names(wrong))
        raise StartRefusedError(
            f"{fields}: not a usable value; see docs/reference/settings.md"
        ) from None


def _names(wrong: ValueError) -> list[str]:
    """What is not JSON where JSON is needed has no list of errors, only a sentence with its name."""
    listed: list[Any] = getattr(wrong, "errors", list)()
    return ["_".join(map(str, each["loc"])) for each in listed] or _NAMED.findall(str(wrong))
