"""One patient's stays as rows of the readmission cohort, every stay left out counted by why.

Critical outcomes have rows of their own in critical_rows.py; cohort.py puts rows into files.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay, NoStay
from fhir_mapping.outcomes import (
    Readmission,
    Rules,
    died_within_30d,
    eligible,
    readmitted,
    whole_stay,
)
from fhir_mapping.scores import hospital, lace
from fhir_mapping.stay import index_stay
from training.subjects import Subject

NEVER = datetime.max.replace(tzinfo=UTC)
"""Finished stays carry their own clock; no other is ever asked."""
LABELS = ("readmission_30d", "readmission_30d_all_cause", "death_or_readmission_30d", "died_30d")
NOT_FINISHED = "not_finished"
CONTINUED = "continued"
FOLLOW_UP = "follow_up_too_short"

Row = dict[str, Any]


@dataclass
class Harvest:
    """Rows and notes of some patients, and the counts that the flow is drawn from.

    Counts are `subjects`, `subjects_with_stays`, `stays`, `excluded/<reason>` and
    `noticed/<what>`; they add up over shards.
    """

    rows: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, row: Row, note: str | None) -> None:
        """Keep a stay, and its discharge summary where it has one."""
        self.rows.append(row)
        if note:
            keys = {name: row[name] for name in ("subject_id", "stay_id")}
            self.notes.append({**keys, "text": note})


def harvest_readmissions(
    subject: Subject, follow_up_until: datetime, rules: Rules, harvest: Harvest
) -> None:
    """Add the patient's labelled stays. Each hospital stay is kept, or counted by its first
    reason: no prediction time, out of the population, continued elsewhere, or lost to follow-up."""
    visits = [each for each in subject.history.visits if each.role == "hospital"]
    harvest.counts.update(subjects=1, subjects_with_stays=int(bool(visits)), stays=len(visits))
    for visit in sorted(visits, key=lambda each: each.id):
        stay = index_stay(subject.history, visit.id, NEVER)
        reason = _excluded(subject, stay, rules)
        if reason or isinstance(stay, NoStay):
            harvest.counts[f"excluded/{reason}"] += 1
            continue
        label = readmitted(subject.history.visits, visit, follow_up_until, rules)
        if label is None:
            harvest.counts[f"excluded/{FOLLOW_UP}"] += 1
            continue
        row = row_of(subject, stay, _labels(subject, stay, label))
        harvest.counts.update(_noticed(label, row))
        harvest.take(row, subject.notes.get(visit.id))


def row_of(subject: Subject, stay: IndexStay, labels: Mapping[str, bool | None]) -> Row:
    """A stay's keys, labels, scores and features."""
    vector = extract(subject.history, stay, subject.sources)
    return {
        **keys_of(subject, stay, vector),
        **labels,
        "lace": lace(subject.history, stay, subject.sources).points,
        "hospital": hospital(subject.history, stay, subject.sources).points,
        **dict(zip(CATALOGUE.names, vector.values, strict=True)),
    }


def keys_of(subject: Subject, stay: IndexStay, vector: FeatureVector) -> Row:
    """Which stay of whom, as of when, and the digest of its vector."""
    return {
        "subject_id": subject.subject_id,
        "stay_id": stay.visit.id,
        "admission_time": stay.admission,
        "prediction_time": stay.prediction_time,
        "era": subject.era,
        "digest": vector.digest,
    }


def _excluded(subject: Subject, stay: IndexStay | NoStay, rules: Rules) -> str | None:
    if isinstance(stay, NoStay):
        return stay.reason
    if stay.timing != "at_discharge":
        return NOT_FINISHED
    reason = eligible(subject.history, stay, rules)
    if reason:
        return reason
    last, _ = whole_stay(subject.history.visits, stay.visit, rules)
    return None if last is stay.visit else CONTINUED


def _labels(subject: Subject, stay: IndexStay, label: Readmission) -> dict[str, bool | None]:
    died = died_within_30d(subject.history, stay.prediction_time)
    values = (label.unplanned, label.all_cause, label.unplanned or died, died)
    return dict(zip(LABELS, values, strict=True))


def _noticed(label: Readmission, row: Row) -> Iterator[str]:
    if label.planned_unknown:
        yield "noticed/readmission_type_unknown"
    if row["died_30d"] and not row["readmission_30d"]:
        yield "noticed/died_without_readmission"
    if row["died_30d"] is None:
        yield "noticed/death_time_unknown"
