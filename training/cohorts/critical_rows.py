"""One patient's ED visits as rows of the critical-outcome cohort, every visit left out counted."""

from datetime import datetime

from fhir_mapping.critical import NoOutcome, critical_outcome
from fhir_mapping.emergency import Variant, features_known_at
from fhir_mapping.extract import extract
from training.cohorts.rows import Harvest, keys_of
from training.subjects import Subject

LABELS = ("critical_outcome", "died_in_hospital", "intensive_care_12h")


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
            **{name: vector[name] for name in features_known_at(variant)},
        }
        harvest.take(row, None)
