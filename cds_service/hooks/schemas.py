"""The wire format of what we send (CDS Hooks 2.0, CDS Service Response). Unknown members are
refused here: a misspelt one would be dropped silently by every client."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class Source(_Wire):
    """Who says it: `label` is shown to the clinician."""

    label: str


class Card(_Wire):
    """One card. `summary` is under 140 characters, `detail` GitHub-flavoured Markdown."""

    uuid: str
    summary: str = Field(max_length=139)
    detail: str
    indicator: Literal["info", "warning"]
    source: Source
    extension: dict[str, Any]


class CardResponse(_Wire):
    """The answer to a hook."""

    cards: list[Card]

    def wire(self) -> bytes:
        """As sent: camel case, no null and no empty member (CDS Hooks 2.0, Use of JSON)."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


class Service(_Wire):
    """One entry of discovery."""

    hook: str
    id: str
    title: str
    description: str
    prefetch: dict[str, str]
    usage_requirements: str


class Discovery(_Wire):
    """The answer to discovery."""

    services: list[Service]
