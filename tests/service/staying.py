"""One stay over several calls, as the store would remember it: rows and contents, kept as JSON."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from cds_service.assessment import Assessment, NotScored, Scored
from cds_service.hooks.cards import Occasion
from cds_service.hooks.said import contents_of
from cds_service.hooks.showing import Showing, showing
from cds_service.storage.store import Shown
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.history import Source
from model.scoring import Value


@dataclass
class Stay:
    """Calls of one stay, an hour apart. `shown` is what the store would give: the newest first showing."""

    on: Occasion
    shown: Shown | None = None
    showings: list[Showing] = field(default_factory=list)

    def call(self, assessment: Assessment, **other: Any) -> Showing:
        """One more call; `other` replaces parts of the occasion from here on."""
        self.on = replace(self.on, at=self.on.at + timedelta(hours=1), **other)
        found = showing(assessment, self.on, earlier=self.shown)
        self.showings.append(found)
        if found.first:
            self.shown = self._stored(assessment, found, self.on.at)
        return found

    def purge(self) -> None:
        """The contents of the card are gone, its row is not."""
        assert self.shown is not None
        self.shown = replace(self.shown, contents=None)

    def _stored(self, assessment: Assessment, found: Showing, at: datetime) -> Shown:
        scored = assessment if isinstance(assessment, Scored) else None
        points = {b.score.name: b.score.points for b in scored.baselines} if scored else {}
        vector = assessment.vector
        row = {
            "created_at": at,
            "outcome": "scored" if scored else "not_scored",
            "reason": None if isinstance(assessment, Scored) else assessment.reason,
            "probability": scored.score.probability if scored else None,
            "lace_points": points.get("lace"),
            "hospital_points": points.get("hospital"),
            "timing": vector.timing if vector else None,
            "bundle_digest": self.on.bundle.digest,
            "mapping_digest": CATALOGUE.digest,
        }
        contents = contents_of(assessment, found.card)
        kept = msgspec.json.decode(msgspec.json.encode(contents))
        return Shown(row | found.columns, kept)


def estimated(scored: Scored, probability: float) -> Scored:
    """The same stay with another probability."""
    return replace(scored, score=replace(scored.score, probability=probability))


def valued(scored: Scored, **values: Value) -> Scored:
    """The same stay with other inputs."""
    named = dict(zip(CATALOGUE.names, scored.vector.values, strict=True)) | values
    return replace(scored, vector=replace(scored.vector, values=tuple(named.values())))


def read(scored: Scored, **sources: Source) -> Scored:
    """The same stay, read otherwise."""
    return replace(scored, sources={**scored.sources, **sources})


def in_progress(scored: Scored) -> Scored:
    """The same stay, not over."""
    return replace(scored, vector=replace(scored.vector, timing="before_discharge"))


def refused(scored: Scored, reason: str) -> NotScored:
    """The same stay, not scored."""
    return NotScored(scored.encounter_id, reason, scored.sources, vector=scored.vector)
