"""One result of a batch on its way to the targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from cds_service.batch.scoring import Assessed
from cds_service.hooks.said import contents_of
from cds_service.received import received_among


@dataclass(frozen=True)
class Result:
    """`row`: the columns of AssessmentRow."""

    row: Mapping[str, Any]
    assessed: Assessed

    @cached_property
    def contents(self) -> Mapping[str, Any]:
        """What is kept sealed beside the row, the resources that it rests on included."""
        raws = map(msgspec.Raw, self.assessed.record.raws)
        found = self.assessed.assessment
        return contents_of(found, None, received_among(found, raws))
