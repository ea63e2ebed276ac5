"""Which concepts may be changed around a discharge: modifiable.toml, which says why."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, cast

from fhir_mapping.history import Timing
from model.manifest import Task

MODIFIABLE: Final = cast(
    Mapping[str, Mapping[str, str]],
    tomllib.loads((files("cds_service.smart.view") / "modifiable.toml").read_text("utf-8")),
)
"""Until when -> concept -> why its value may be changed."""


def may_change(concept: str, task: Task, timing: Timing | None) -> str | None:
    """Why, or None. An ED visit that has no end yet has no discharge to speak of."""
    if task != "readmission_30d":
        return None
    until = None if timing == "at_discharge" else MODIFIABLE["until_discharge"].get(concept)
    return until or MODIFIABLE["around_discharge"].get(concept)
