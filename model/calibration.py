"""From the members' logits to one probability and its interval.

Members are averaged as logits; the calibrator is affine on that mean (Platt 1999). The interval is
made of two parts: how far the members disagree, and how surely the calibrator is known.
"""

from typing import Annotated

import msgspec
import numpy
from numpy.typing import NDArray

Floats = NDArray[numpy.float64]
_NORMAL_90 = 1.6448536269514722


class Calibrator(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """probability = expit(slope * mean logit + intercept).

    `covariance` of (slope, intercept): (var slope, covariance, var intercept). `spread`: what the
    members' standard deviation is multiplied by; `rows`, `positives`: what it was fitted on.
    `interval_holds`: the nominal 90 % interval held on data that it was not fitted on (METHOD.md);
    where it did not, an interval may be called no more than the spread between models.
    """

    slope: Annotated[float, msgspec.Meta(gt=0.0)]
    intercept: float
    covariance: tuple[float, float, float]
    spread: Annotated[float, msgspec.Meta(ge=0.0)]
    rows: int
    positives: int
    interval_holds: bool

    def __post_init__(self) -> None:
        slope_variance, shared, intercept_variance = self.covariance
        rounding = 1.0 + 1e-9  # a covariance may be singular
        within = shared**2 <= slope_variance * intercept_variance * rounding
        if slope_variance < 0.0 or intercept_variance < 0.0 or not within:
            raise ValueError("covariance is none: an interval would not exist")

    def probability(self, logits: Floats) -> Floats:
        """(members, rows) -> (rows,)."""
        return expit(self.slope * logits.mean(0) + self.intercept)

    def interval(self, logits: Floats) -> tuple[Floats, Floats]:
        """(members, rows) -> lower and upper ends of the nominal 90 % interval, (rows,) each."""
        mean = logits.mean(0)
        deviation = logits.std(0, ddof=1) if len(logits) > 1 else numpy.zeros_like(mean)
        slope_variance, shared, intercept_variance = self.covariance
        known = slope_variance * mean**2 + 2.0 * shared * mean + intercept_variance
        spread = (self.slope * self.spread * deviation) ** 2
        half = _NORMAL_90 * numpy.sqrt(spread + known.clip(0.0))
        centre = self.slope * mean + self.intercept
        return expit(centre - half), expit(centre + half)


def expit(logits: Floats) -> Floats:
    """The logistic function, without overflow."""
    return numpy.exp(-numpy.logaddexp(0.0, -logits))
