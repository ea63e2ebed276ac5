"""Point scores from the literature: what a number of points was published to mean.

Not how points are counted (that needs the record), and never a percent for our own outcome.
"""

from itertools import pairwise
from typing import Annotated

import msgspec

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
_Points = Annotated[int, msgspec.Meta(ge=0)]
_Words = Annotated[str, msgspec.Meta(min_length=1)]


class PointClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The totals `low` to `high`, both included. `figure` None: none that we could verify."""

    low: _Points
    high: _Points
    label: _Words
    figure: Share | None
    note: str

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class PublishedScore(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One score: `outcome` and `cohort` say what its figures were published for, `source` where
    each was read; `overall` is the outcome's share in the whole cohort."""

    name: _Words
    title: _Words
    citation: _Words
    outcome: _Words
    cohort: _Words
    overall: Share | None
    source: _Words
    max_points: _Points
    classes: tuple[PointClass, ...]

    def __post_init__(self) -> None:
        ends = (-1, *(each.high for each in self.classes))
        starts = (*(each.low for each in self.classes), self.max_points + 1)
        if any(start != end + 1 for end, start in zip(ends, starts, strict=True)):
            raise ValueError("classes must follow each other without gap from 0 to max_points")
        figures = [each.figure for each in self.classes if each.figure is not None]
        if any(later < earlier for earlier, later in pairwise(figures)):
            raise ValueError("figures must not fall while points rise")

    def read(self, points: int) -> PointClass:
        """The class of a total. The message of the error keeps the total to itself."""
        for each in self.classes:
            if each.low <= points <= each.high:
                return each
        raise ValueError(f"{self.name}: points outside 0 to {self.max_points}")


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stored reading that the loaded score must give again."""

    score: str
    points: int
    label: str
    figure: Share | None

    def holds(self, score: PublishedScore) -> bool:
        """Whether `score` still reads so; no class at all is a no."""
        return any(
            each.low <= self.points <= each.high
            and (each.label, each.figure) == (self.label, self.figure)
            for each in score.classes
        )
