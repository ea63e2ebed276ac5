"""Whether a card warns: a tenant's rule, and where it is a capacity, its recent stays. Pure.

Only a probability is held against a threshold; of the point scores a class called high warns.
Words are in wording.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor

from cds_service.assessment import Assessment, NotScored
from cds_service.tenants import Alert

WINDOW = timedelta(days=28)
_LEAST_HISTORY = timedelta(days=7)
_LEAST_STAYS = 30
_DAY = timedelta(days=1)
_DECIMALS = 4  # those of a probability (model.scoring)
_STEP = 10**-_DECIMALS

Showings = Sequence[tuple[datetime, float]]
"""When each stay was first scored, and the probability then."""


@dataclass(frozen=True)
class Verdict:
    """What a rule says of one assessment. `threshold` None: the rule has none, or none yet."""

    rule: Alert
    threshold: float | None
    warns: bool

    @property
    def withheld(self) -> bool:
        """Below the threshold of a site that wants no card there."""
        return self.rule.below == "none" and self.threshold is not None and not self.warns


def verdict(
    assessment: Assessment,
    rule: Alert,
    *,
    recent: Showings,
    at: datetime,
    kept: float | None = None,
) -> Verdict:
    """Hold an assessment against a rule. `recent`: those of at least the last WINDOW.

    `kept`: the threshold of the card that this stay already has. A capacity moves its threshold
    from day to day; a stay keeps the one that it was first held against.
    """
    if isinstance(assessment, NotScored):
        return Verdict(rule, None, warns=False)
    probability = assessment.score.probability
    if probability is None:
        high = any(each.reading and each.reading.label == "high" for each in assessment.baselines)
        return Verdict(rule, None, warns=high)
    keeps = rule.per_day is not None and kept is not None
    threshold = kept if keeps else threshold_of(rule, recent, at)
    return Verdict(rule, threshold, warns=threshold is not None and probability >= threshold)


def threshold_of(rule: Alert, recent: Showings, at: datetime) -> float | None:
    """The threshold of a rule at a time; None without a rule, or with too short a history."""
    if rule.threshold is not None:
        return round(rule.threshold, _DECIMALS)
    if rule.missed_per_false is not None:
        return round(1 / (1 + rule.missed_per_false), _DECIMALS)
    if rule.per_day is not None:
        counted = [each for each in recent if at - WINDOW <= each[0] <= at]
        return _within_capacity(rule.per_day, counted, at)
    return None


def _within_capacity(per_day: float, counted: Showings, at: datetime) -> float | None:
    """The lowest threshold that so far at most `per_day` first showings a day would have reached."""
    if len(counted) < _LEAST_STAYS:
        return None
    history = at - min(time for time, _ in counted)
    if history < _LEAST_HISTORY:
        return None
    allowed = floor(per_day * (history / _DAY))
    return _above_all_but(allowed, (probability for _, probability in counted))


def _above_all_but(allowed: int, probabilities: Iterable[float]) -> float:
    ordered = sorted(probabilities, reverse=True)
    return round(ordered[allowed] + _STEP, _DECIMALS) if allowed < len(ordered) else 0.0
