"""A stored assessment, read back for people: its row, and what was kept sealed of it. Pure.

Rows from before a member was kept have its default. Nothing is worked out anew here.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cds_service.assessment import BaseRate
from fhir_mapping.history import DataIssue
from fhir_mapping.readings import Evidence, Value
from fhir_mapping.scores import Component
from model.published import PointClass
from model.scoring import Score

_OFFSET = len("UTC")


class KeptScore(msgspec.Struct, frozen=True):
    """A point score as it was counted. `reading` None where an item could not be told."""

    name: str
    components: tuple[Component, ...]
    reading: PointClass | None


class Contents(msgspec.Struct, frozen=True):
    """What hooks/said.py keeps: inputs in catalogue order, evidence, result, card, resources.

    `received`: by reference, the resources that the evidence names, as they came.
    """

    values: tuple[Value, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    sources: dict[str, str] = {}
    issues: tuple[DataIssue, ...] = ()
    card: dict[str, Any] | None = None
    missing: tuple[str, ...] = ()
    zone: str | None = None
    profile_detected: bool | None = None
    score: Score | None = None
    baselines: tuple[KeptScore, ...] = ()
    base_rate: BaseRate | None = None
    received: dict[str, Any] = {}


class Recalled(msgspec.Struct, frozen=True):
    """`row`: the columns of `assessment`. `contents` None where they were purged or do not open."""

    row: Mapping[str, Any]
    contents: Contents | None

    @property
    def zone(self) -> tzinfo:
        """The stay's own zone, for times that people read; UTC where it was not kept."""
        return zone_of(self.contents.zone if self.contents else None)

    @property
    def made_at(self) -> datetime:
        """When the call was received, in the stay's zone."""
        at: datetime = self.row["created_at"]
        return at.astimezone(self.zone)


def recalled(row: Mapping[str, Any], contents: Mapping[str, Any] | None) -> Recalled:
    """Read back what `contents_of` kept."""
    found = None if contents is None else msgspec.convert(contents, Contents)
    return Recalled(row, found)


def zone_of(name: str | None) -> tzinfo:
    """From the words of a zone: `UTC-05:00`, or a name of the zone database."""
    if name is None or name == "UTC":
        return UTC
    if not name.startswith("UTC"):
        return ZoneInfo(name)
    hours, minutes = name[_OFFSET + 1 :].split(":")[:2]
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(offset if name[_OFFSET] == "+" else -offset)
