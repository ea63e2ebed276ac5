"""From JSON objects to all that is computed of a stay, by the product's own way in: bytes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import DataIssue, IndexStay, PatientHistory, Sources
from fhir_mapping.outcomes import eligible
from fhir_mapping.reading import history_of
from fhir_mapping.resources import KNOWN_TYPES, AnyResource, decode
from fhir_mapping.scores import PointScore, hospital, lace
from fhir_mapping.stay import index_stay
from tests.properties.records import Record

ALL_READ: Sources = dict.fromkeys(sorted(KNOWN_TYPES), "read")


@dataclass(frozen=True)
class Answer:
    """What is said of one stay. `issues` are left out: they count repetitions and leftovers."""

    vector: FeatureVector
    scores: tuple[PointScore, PointScore]
    eligible: str | None


def answer_to(record: Record, sources: Sources = ALL_READ) -> Answer:
    """The answer to a record whose index stay is known to be readable."""
    found = answer_of([json.dumps(each).encode() for each in record.resources], record, sources)
    assert found is not None
    return found


def answer_of(raw: Iterable[bytes], record: Record, sources: Sources = ALL_READ) -> Answer | None:
    """The answer to raw resources; None where they hold no such stay. Raises PatientError."""
    history = read(raw)
    stay = index_stay(history, record.encounter_id, record.now)
    if not isinstance(stay, IndexStay):
        return None
    return Answer(
        extract(history, stay, sources),
        (lace(history, stay, sources), hospital(history, stay, sources)),
        eligible(history, stay),
    )


def read(raw: Iterable[bytes]) -> PatientHistory:
    decoded = [decode(each) for each in raw]
    issues = [each for each in decoded if isinstance(each, DataIssue)]
    resources: list[AnyResource] = [
        each for each in decoded if each is not None and not isinstance(each, DataIssue)
    ]
    return history_of(resources, issues=issues)


def difference(one: Answer, other: Answer) -> dict[str, tuple[object, object]]:
    """Names and values of all that differs between two answers."""
    pairs = zip(CATALOGUE.names, one.vector.values, other.vector.values, strict=True)
    found: dict[str, tuple[object, object]] = {n: (a, b) for n, a, b in pairs if a != b}
    if one.vector.evidence != other.vector.evidence:
        ours, theirs = set(one.vector.evidence), set(other.vector.evidence)
        found["evidence"] = (ours - theirs, theirs - ours)
    if one.scores != other.scores:
        found["scores"] = (one.scores, other.scores)
    if one.eligible != other.eligible:
        found["eligible"] = (one.eligible, other.eligible)
    if one.vector.digest != other.vector.digest:
        found["digest"] = (one.vector.digest, other.vector.digest)
    return found
