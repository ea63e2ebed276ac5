"""From a feature vector to a Score; no FHIR, no files. The service sees only what is here.

A bundle of kind `published_scores` has no probability of its own: its scorer says so by None
(METHOD.md: a percent for our outcome comes only from a calibrator fitted on a cohort).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from model.bundle import Bundle

Value = float | str | None
"""One feature: a number, a category's level, or None where it is missing."""


@dataclass(frozen=True)
class Contribution:
    """How far one concept moved the logit away from the reference patient's."""

    concept: str
    amount: float


@dataclass(frozen=True)
class Score:
    """`probability` of the bundle's outcome, None where the bundle gives none."""

    probability: float | None
    interval: tuple[float, float] | None
    contributions: tuple[Contribution, ...]


NO_PROBABILITY = Score(probability=None, interval=None, contributions=())


class Scorer(Protocol):
    """Anything that scores one vector in catalogue order."""

    def score(self, values: Sequence[Value]) -> Score: ...


class PublishedScorer:
    """Never a percent: the published figures stand in the bundle, beside their own outcomes."""

    def score(self, values: Sequence[Value]) -> Score:
        """No probability, whatever the values."""
        return NO_PROBABILITY


def scorer_for(bundle: Bundle) -> Scorer:
    """The scorer that the bundle's kind calls for."""
    match bundle.manifest.kind:
        case "published_scores":
            return PublishedScorer()
