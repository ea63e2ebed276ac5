"""The manifest of a bundle: what it is, whom it is for, and which files it has."""

import datetime
from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec

from model.published import Share
from model.trained import FILES

FORMAT: Final = 1
MANIFEST = "manifest.json"
CATALOGUE = "catalogue.csv"
MODEL_CARD = "MODEL_CARD.md"
SCORES = "published_scores.json"
SAMPLES = "samples.json"

Kind = Literal["published_scores", "trained"]
Task = Literal["readmission_30d", "critical_outcome"]
_ALWAYS = (CATALOGUE, MODEL_CARD, SCORES, SAMPLES)
REQUIRED: Mapping[Kind, tuple[str, ...]] = {
    "published_scores": _ALWAYS,
    "trained": (*_ALWAYS, *FILES),
}
_Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
_Words = Annotated[str, msgspec.Meta(min_length=1)]


class BaseRate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often `outcome` was seen in `cohort`: the yardstick beside a result."""

    value: Share
    outcome: _Words
    cohort: _Words
    source: _Words


class Manifest(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """What the bundle is, whom it is for, and the SHA-256 of every other file in the folder.

    `variant`: of critical_outcome, the moment as of which it predicts; left out where it is None.
    """

    format: Literal[1]
    name: _Words
    version: _Words
    created: datetime.date
    title: _Words
    notice: _Words
    kind: Kind
    task: Task
    variant: Literal["triage", "ed_departure"] | None = None
    hooks: tuple[str, ...]
    population: _Words
    mapping_digest: _Digest
    features: tuple[str, ...]
    coverage_floors: dict[str, Share]
    base_rate: BaseRate | None
    files: dict[str, _Digest]
