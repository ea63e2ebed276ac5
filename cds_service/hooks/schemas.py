"""The wire format of what we send (CDS Hooks 2.0, CDS Service Response). Unknown members are
refused here: a misspelt one would be dropped silently by every client."""

import json
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Indicator = Literal["info", "warning"]


class _Wire(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True
    )


class Coding(_Wire):
    """A code of a system; `display` is required where it is an override reason."""

    code: str
    system: str
    display: str | None = None


class Source(_Wire):
    """Who says it: `label` is shown to the clinician, `url` and `icon` are absolute."""

    label: str
    url: str | None = None
    icon: str | None = None
    topic: Coding | None = None


class Action(_Wire):
    """One change to the record that a suggestion proposes; `resource` is the whole resource."""

    type: Literal["create", "update", "delete"]
    description: str
    resource: dict[str, Any] | None = None
    resource_id: str | None = None

    @model_validator(mode="after")
    def _has_its_object(self) -> Self:
        if (self.type == "delete") != (self.resource is None):
            raise ValueError("create and update need a resource, delete has none")
        if (self.type == "delete") != (self.resource_id is not None):
            raise ValueError("delete needs resourceId, create and update have none")
        return self


class Suggestion(_Wire):
    """What the user can accept with one click: all of its actions."""

    label: str
    uuid: str
    is_recommended: bool | None = None
    actions: tuple[Action, ...]


class Link(_Wire):
    """An address to open; `app_context` reaches a SMART app in its token response."""

    label: str
    url: str
    type: Literal["absolute", "smart"]
    app_context: str | None = None

    @model_validator(mode="after")
    def _context_is_for_apps(self) -> Self:
        if self.app_context is not None and self.type != "smart":
            raise ValueError("appContext is for smart links only")
        return self


class Card(_Wire):
    """One card. `summary` is under 140 characters, `detail` GitHub-flavoured Markdown."""

    uuid: str
    summary: str = Field(min_length=1, max_length=139)
    detail: str
    indicator: Indicator
    source: Source
    suggestions: tuple[Suggestion, ...] = ()
    selection_behavior: Literal["at-most-one", "any"] | None = None
    override_reasons: tuple[Coding, ...] = ()
    links: tuple[Link, ...] = ()
    extension: dict[str, Any]

    @model_validator(mode="after")
    def _suggestions_can_be_chosen(self) -> Self:
        if bool(self.suggestions) != (self.selection_behavior is not None):
            raise ValueError("selectionBehavior goes with suggestions")
        recommended = sum(each.is_recommended is True for each in self.suggestions)
        if self.selection_behavior == "at-most-one" and recommended > 1:
            raise ValueError("at most one suggestion can be recommended")
        return self

    @model_validator(mode="after")
    def _reasons_can_be_read(self) -> Self:
        if any(not each.display for each in self.override_reasons):
            raise ValueError("every override reason needs a display")
        return self

    def wire(self) -> dict[str, Any]:
        """As sent: camel case, no null and no empty member (CDS Hooks 2.0, Use of JSON)."""
        found: dict[str, Any] = pruned(self.model_dump(mode="json", by_alias=True))
        return found


def pruned(value: Any) -> Any:
    """Without null, empty text, empty list and empty object, however deep; False and 0 stay."""
    if isinstance(value, dict):
        kept = ((name, pruned(each)) for name, each in value.items())
        return {name: each for name, each in kept if not _empty(each)}
    if isinstance(value, list | tuple):
        return [each for each in map(pruned, value) if not _empty(each)]
    return value


def _empty(value: Any) -> bool:
    return value is None or value in ("", [], {})


class CardResponse(_Wire):
    """The answer to a hook; `cards` as `Card.wire` gives them, none where nothing is to be said."""

    cards: list[dict[str, Any]]

    def wire(self) -> bytes:
        """As sent."""
        return json.dumps({"cards": self.cards}, ensure_ascii=False, allow_nan=False).encode()


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
