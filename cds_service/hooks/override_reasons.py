"""The reasons that every card offers for setting it aside, so that overrides compare across sites.

Only what is offered: feedback may name any code of any system.
"""

import tomllib
from importlib.resources import files

from cds_service.hooks.schemas import Coding

_TABLE = files("cds_service.hooks") / "override_reasons.toml"


def _load() -> tuple[Coding, ...]:
    table = tomllib.loads(_TABLE.read_text("utf-8"))
    return tuple(
        Coding(code=code, system=table["system"], display=display)
        for code, display in table["displays"].items()
    )


OVERRIDE_REASONS = _load()
