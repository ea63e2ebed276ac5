"""The settings of the environment, or the refusal that names the one at fault."""

from typing import Any

from cds_service.errors import StartRefusedError
from cds_service.settings import Settings


def settings_from(options: dict[str, Any]) -> Settings:
    """Settings of the environment under the options given. Raises StartRefusedError naming the setting."""
    try:
        return Settings(**options)
    except ValueError as wrong:
        fields = ", ".join(
            f"READMIT_{'_'.join(map(str, e['loc'])).upper()}" for e in _errors(wrong)
        )
        raise StartRefusedError(
            f"{fields}: not a usable value; see docs/reference/settings.md"
        ) from None


def _errors(wrong: ValueError) -> list[Any]:
    listed: list[Any] = getattr(wrong, "errors", list)()
    return listed
