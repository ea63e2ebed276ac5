"""What one batch run asks, the same from its first shard to its last; and the rows it writes. Pure."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from cds_service.assessment import Assessment, Assessor, Scored
from cds_service.batch.scoring import Assessed
from cds_service.hooks.call import HookCall
from cds_service.hooks.cards import Occasion
from cds_service.hooks.row import row_of
from cds_service.hooks.showing import unshown
from cds_service.services import Offered
from cds_service.tenants import Tenant
from fhir_mapping.catalogue import CATALOGUE

_NAMESPACE: Final = uuid.UUID("0d2c5b0a-54a5-5a3f-8d0e-0c4f6f0f3b6e")
_FEATURE: Final = "feature_"


@dataclass(frozen=True)
class Job:
    """`as_of`: the run's one clock, aware. `fhir_server`: whose ids patients and stays have, as the
    tenants file writes it; None where that is not known."""

    run_id: str
    tenant: Tenant
    service: Offered
    as_of: datetime
    fhir_server: str | None = None

    @cached_property
    def assessor(self) -> Assessor:
        """The bundle with the tenant's choices."""
        return self.service.of(self.tenant)

    def row(self, assessed: Assessed) -> dict[str, Any]:
        """The columns of AssessmentRow. No card is shown, so none is written."""
        call, occasion = self._call(assessed), self._occasion(assessed)
        shown = unshown(assessed.assessment, occasion)
        return row_of(call, assessed.assessment, occasion, shown) | {"duration_ms": 0.0}

    def _occasion(self, assessed: Assessed) -> Occasion:
        return Occasion(
            tenant=self.tenant,
            service_id=self.service.id,
            patient_id=assessed.record.patient_id,
            assessment_uuid=self._uuid(assessed),
            at=self.as_of,
            bundle=self.assessor.bundle,
            fhir_server=self.fhir_server,
        )

    def _call(self, assessed: Assessed) -> HookCall:
        return HookCall(
            hook="batch",
            hook_instance=self.run_id,
            user_id=None,
            patient_id=assessed.record.patient_id,
            encounter_id=assessed.assessment.encounter_id,
            prefetch={},
            received=self.as_of,
            size=0,
            fhir_server=self.fhir_server,
        )

    def _uuid(self, assessed: Assessed) -> str:
        """The same stay found to be the same by the same bundle has one id, in whichever run."""
        found = assessed.assessment
        says = {
            "tenant": self.tenant.name,
            "service": self.service.id,
            "server": self.fhir_server,
            "patient": assessed.record.patient_id,
            "encounter": found.encounter_id,
            "bundle": self.assessor.bundle.digest,
            "mapping": CATALOGUE.digest,
            "vector": found.vector.digest if found.vector else None,
            "at": found.vector.prediction_time.isoformat() if found.vector else None,
            "reason": None if isinstance(found, Scored) else found.reason,
        }
        return str(uuid.uuid5(_NAMESPACE, repr(sorted(says.items()))))


def table_row(row: Mapping[str, Any], assessment: Assessment) -> dict[str, Any]:
    """A row for tables: the columns of AssessmentRow that say something of a batch, the interval,
    and the 105 features."""
    low, high = _interval(assessment)
    values = assessment.vector.values if assessment.vector else (None,) * len(CATALOGUE.names)
    named = zip(CATALOGUE.names, values, strict=True)
    results = {name: row[name] for name in RESULTS if name in row}
    return (
        results
        | {"interval_low": low, "interval_high": high}
        | {f"{_FEATURE}{name}": value for name, value in named}
    )


def _interval(assessment: Assessment) -> tuple[float | None, float | None]:
    interval = assessment.score.interval if isinstance(assessment, Scored) else None
    return interval or (None, None)


RESULTS: Final = (
    "patient_id", "encounter_id", "outcome", "reason", "probability", "interval_low", "interval_high",
    "alerted", "threshold", "lace_points", "hospital_points", "known_inputs", "timing",
    "prediction_time", "profile", "tenant", "service_id", "fhir_server", "bundle_digest",
    "mapping_digest", "vector_digest", "uuid", "hook_instance", "created_at",
)  # fmt: skip
"""Columns of a table of results, in their order."""
FEATURES: Final = tuple(f"{_FEATURE}{name}" for name in CATALOGUE.names)
