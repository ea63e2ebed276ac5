"""One patient's ED visits as rows of the critical-outcome cohort, every visit left out counted."""

from datetime import datetime

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.critical import NoOutcome, Variant, critical_outcome
from fhir_mapping.extract import extract
from training.cohorts.rows import Harvest, keys_of
from training.subjects import Subject

LABELS = ("critical_outcome", "died_in_hospital", "intensive_care_12h")
_ALLOWED: dict[Variant, tuple[str, ...]] = {
    "triage": ("yes",),
    "ed_departure": ("yes", "ed_departure"),
}


def feature_names(variant: Variant) -> tuple[str, ...]:
    """The features known at the variant's prediction time: 87 at triage, 96 at departure."""
    return tuple(each.name for each in CATALOGUE if each.critical_outcome in _ALLOWED[variant])


def harvest_critical(
    subject: Subject, follow_up_until: datetime, variant: Variant, harvest: Harvest
) -> None:
    """Add the patient's labelled ED visits; the others are counted by their first reason."""
    visits = [each for each in subject.history.visits if each.role == "ed"]
    harvest.counts.update(subjects=1, subjects_with_stays=int(bool(visits)), stays=len(visits))
    for visit in sorted(visits, key=lambda each: each.id):
        found = critical_outcome(subject.history, visit, variant, follow_up_until)
        if isinstance(found, NoOutcome):
            harvest.counts[f"excluded/{found.reason}"] += 1
            continue
        vector = extract(subject.history, found.stay, subject.sources)
        labels = (found.critical, found.died_in_hospital, found.intensive_care_12h)
        row = {
            **keys_of(subject, found.stay, vector),
            **dict(zip(LABELS, labels, strict=True)),
            **{name: vector[name] for name in feature_names(variant)},
        }
        harvest.take(row, None)
