"""What the product says of one example request, as text that a person can review as a diff."""

import csv
import io
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from cds_service.assessment import Assessor, assess
from cds_service.hooks.call import HookCall, read_call
from cds_service.records import Gathered, gather
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay, PatientHistory
from fhir_mapping.outcomes import eligible
from fhir_mapping.reading import history_of
from fhir_mapping.scores import PointScore, hospital, lace
from fhir_mapping.stay import index_stay
from model.bundle import Bundle, load_bundle
from model.scoring import scorer_for
from tests.golden.reviewable import reviewable
from tests.service.answering import first_card, occasion

ROOT = Path(__file__).resolve().parents[2]
REQUESTS = ROOT / "examples" / "requests"
CLOCK = datetime(2026, 11, 20, 0, 20, tzinfo=UTC)
"""Three days after the admission that is still in progress; all other stays are over by then."""
FILES = ("features.csv", "scores.json", "cards.json")


@dataclass(frozen=True)
class _Patient:
    call: HookCall
    gathered: Gathered
    history: PatientHistory
    stay: IndexStay


def answers(case: str) -> dict[str, str]:
    """File name -> its content, for one example."""
    patient = _patient((REQUESTS / f"{case}.json").read_bytes())
    return {
        "features.csv": _features(patient),
        "scores.json": _json(_scores(patient)),
        "cards.json": _json(_cards(patient)),
    }


def _patient(body: bytes) -> _Patient:
    call = read_call(body, CLOCK)
    found = gather(call.prefetch, call.patient_id, encounter_id=call.encounter_id)
    history = history_of(found.resources, issues=found.issues)
    stay = index_stay(history, call.encounter_id or "", CLOCK)
    assert isinstance(stay, IndexStay)
    return _Patient(call, found, history, stay)


def _features(patient: _Patient) -> str:
    """One row for each of the 105; where several resources prove a value, all their references."""
    vector = extract(patient.history, patient.stay, patient.gathered.sources)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("name", "value", "unit", "references", "reason"))
    for feature in CATALOGUE:
        table.writerow((feature.name, *_row(vector, feature.name)))
    return text.getvalue()


def _row(vector: FeatureVector, name: str) -> tuple[str, ...]:
    value, rows = vector[name], vector.evidence_for(name)
    if value is None:
        return ("", "", "", "")
    references = " ".join(row.reference for row in rows)
    reasons = "; ".join(dict.fromkeys(row.reason for row in rows))
    return (str(value), CATALOGUE[name].unit, references, reasons)


def _scores(patient: _Patient) -> dict[str, Any]:
    counted = [
        count(patient.history, patient.stay, patient.gathered.sources) for count in (lace, hospital)
    ]
    return {
        "prediction_time": patient.stay.prediction_time.isoformat(),
        "timing": patient.stay.timing,
        "not_eligible": eligible(patient.history, patient.stay),
        "issues": [asdict(issue) for issue in _issues(patient)],
        **{score.name: _score(score) for score in counted},
    }


def _issues(patient: _Patient) -> tuple[Any, ...]:
    return extract(patient.history, patient.stay, patient.gathered.sources).issues


def _score(score: PointScore) -> dict[str, Any]:
    return {
        "points": score.points,
        "at_least": score.at_least,
        "components": [asdict(component) for component in score.components],
    }


def _cards(patient: _Patient) -> list[dict[str, Any]]:
    """The cards as sent, less what changes with every bundle; the detail line by line."""
    call, bundle = patient.call, _bundle()
    assessor = Assessor(bundle, scorer_for(bundle))
    assessment = assess(patient.gathered, call.encounter_id, call.received, assessor=assessor)
    on = occasion(bundle, patient_id=call.patient_id, at=call.received)
    return [reviewable(first_card(assessment, on).wire(), bundle)]


@cache
def _bundle() -> Bundle:
    return load_bundle(ROOT / "bundles" / "lace-hospital", mapping_digest=CATALOGUE.digest)


def _json(content: Any) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
