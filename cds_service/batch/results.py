"""One result of a batch on its way to the targets."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import msgspec

from cds_service.assessment import Assessment, Scored
from cds_service.batch.scoring import Assessed
from cds_service.hooks.said import contents_of
from cds_service.received import received_among
from model.scoring import Scorer


class Result(Protocol):
    """What a target may ask of a result, wherever the stay was assessed."""

    @property
    def row(self) -> Mapping[str, Any]:
        """The columns of AssessmentRow."""

    @property
    def contents(self) -> Mapping[str, Any]:
        """What is kept sealed beside the row, the resources that it rests on included."""

    def explained(self, scorer: Scorer) -> Mapping[str, Any]:
        """The same with contributions, which take far longer than the score."""


@dataclass(frozen=True)
class AssessedResult:
    """A result of this process, with all that it was made of."""

    row: Mapping[str, Any]
    assessed: Assessed

    @cached_property
    def contents(self) -> Mapping[str, Any]:
        """As in Result."""
        return self._contents(self.assessed.assessment)

    def explained(self, scorer: Scorer) -> Mapping[str, Any]:
        """As in Result."""
        found = self.assessed.assessment
        if isinstance(found, Scored):
            found = replace(found, score=scorer.score(found.vector.values))
        return self._contents(found)

    def _contents(self, found: Assessment) -> Mapping[str, Any]:
        raws = map(msgspec.Raw, self.assessed.record.raws)
        return contents_of(found, None, received_among(found, raws))
