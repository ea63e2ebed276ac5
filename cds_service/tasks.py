"""What differs between the tasks a bundle can have: which visit, as of when, whom, what beside it.

assessment.py asks RULES and knows no task by name; the words of each are in hooks/.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from fhir_mapping import scores
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.emergency import ed_eligible, ed_stay
from fhir_mapping.extract import FeatureVector
from fhir_mapping.history import IndexStay, NoStay, PatientHistory, Role, Sources
from fhir_mapping.outcomes import eligible
from fhir_mapping.scores import PointScore, hospital, lace
from fhir_mapping.stay import index_stay, open_visits
from model.manifest import Manifest, Task

Indexed = IndexStay | NoStay
Count = Callable[[PatientHistory, IndexStay, Sources], PointScore]


@dataclass(frozen=True)
class TaskRules:
    """The rules of one task.

    `hooks`: those that may call for it. `role` and `called`: the visits it is about, and their
    word in reasons. `index`: that visit and its clock as of now. `outside`: why the patient is not
    in the population. `beside`: published scores that stand beside the result. `reads`: features
    whose sources these rules need, whatever the bundle takes. `site_rate`: the outcome of which a
    tenant's base rate is the rate, None where it is of another.
    """

    hooks: tuple[str, ...]
    role: Role
    called: str
    index: Callable[[PatientHistory, str, datetime, Manifest], Indexed]
    outside: Callable[[PatientHistory, IndexStay, FeatureVector, datetime], str | None]
    beside: tuple[Count, ...]
    reads: tuple[str, ...]
    site_rate: str | None

    def open_visit(self, history: PatientHistory) -> str | NoStay:
        """The id of the one visit in progress."""
        found = open_visits(history, self.role)
        if len(found) == 1:
            return found[0].id
        return NoStay(f"several_open_{self.called}s" if found else f"no_open_{self.called}")

    def asked(self, manifest: Manifest) -> tuple[str, ...]:
        """The features whose sources a client is asked for."""
        return (*inputs_of(manifest), *self.reads)


def inputs_of(manifest: Manifest) -> tuple[str, ...]:
    """The features that count as a bundle's inputs.

    Point scores are counted from events and take no vector: for them it is the whole catalogue.
    """
    return CATALOGUE.names if manifest.kind == "published_scores" else manifest.features


def _stay(history: PatientHistory, encounter_id: str, now: datetime, _: Manifest) -> Indexed:
    return index_stay(history, encounter_id, now)


def _not_readmittable(
    history: PatientHistory, stay: IndexStay, vector: FeatureVector, _: datetime
) -> str | None:
    reason = eligible(history, stay)
    implausible = vector["hosp_los_days"] is None
    return reason or ("length_of_stay_implausible" if implausible else None)


def _ed_visit(
    history: PatientHistory, encounter_id: str, now: datetime, manifest: Manifest
) -> Indexed:
    assert manifest.variant  # noqa: S101 - services.py saw to it
    return ed_stay(history, encounter_id, now, variant=manifest.variant)


def _not_in_ed(
    history: PatientHistory, stay: IndexStay, _: FeatureVector, now: datetime
) -> str | None:
    return ed_eligible(history, stay, now)


RULES: Mapping[Task, TaskRules] = {
    "readmission_30d": TaskRules(
        hooks=("encounter-discharge", "patient-view"),
        role="hospital",
        called="stay",
        index=_stay,
        outside=_not_readmittable,
        beside=(lace, hospital),
        reads=scores.READS,
        site_rate="readmission within 30 days",
    ),
    "critical_outcome": TaskRules(
        hooks=("encounter-start", "patient-view"),
        role="ed",
        called="ed_visit",
        index=_ed_visit,
        outside=_not_in_ed,
        beside=(),
        reads=("n_icu_365d",),
        site_rate=None,
    ),
}
