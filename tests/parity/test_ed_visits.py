"""An ED visit as training sees it in an export, and as the service sees it in a hook request."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cds_service.answering import assessed
from cds_service.assessment import Assessment, Assessor, NotScored, Scored
from cds_service.hooks.call import read_call
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.critical import CriticalOutcome, NoOutcome, critical_outcome
from fhir_mapping.emergency import Variant, features_known_at
from fhir_mapping.exports import Export, read_export
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.profiles import Profile, load_profile
from fhir_mapping.reading import history_of
from tests.replay import requests_of
from tests.service.trained import ED_SCORE, critical_fields, fixed_assessor

pytestmark = pytest.mark.data

LATE = datetime(2300, 1, 1, tzinfo=UTC)
"""A clock that cuts nothing, a follow-up that excludes nobody."""
SAMPLE, ALL = 20, 100_000
SETS = [
    pytest.param("mimic-iv-demo/fhir", SAMPLE, id="mimic-sample"),
    pytest.param("mimic-iv-demo/fhir", ALL, id="mimic", marks=pytest.mark.slow),
    pytest.param("clinosim-101/ndjson", ALL, id="clinosim", marks=pytest.mark.slow),
]
OF_THE_LABEL = {"stay_not_finished", "follow_up_too_short"}
"""Reasons why there is no label; the visit itself can be scored."""
Trained = tuple[FeatureVector, CriticalOutcome] | NoOutcome


@cache
def export_of(path: Path) -> Export:
    return read_export(path)


def trained(export: Export, variant: Variant) -> Iterator[tuple[str, Trained]]:
    """(encounter id, what training makes of it) of every ED visit."""
    for _, resources in export.records():
        history = history_of(resources)
        for visit in history.visits:
            if visit.role == "ed":
                found = critical_outcome(history, visit, variant, LATE)
                if isinstance(found, NoOutcome):
                    yield visit.id, found
                else:
                    yield visit.id, (extract(history, found.stay, export.sources), found)


def assessor(variant: Variant, taken: Sequence[str], profile: Profile | None) -> Assessor:
    """Of a bundle that takes these features."""
    fields = critical_fields(variant) | {"features": taken}
    return replace(fixed_assessor(ED_SCORE, **fields), profile=profile)


def served(request: dict[str, Any], by: Assessor) -> Assessment:
    body = msgspec.json.encode(request | {"hook": "encounter-start"})
    return assessed(read_call(body, LATE), by)


def reason_of(assessment: Assessment) -> str | None:
    return assessment.reason if isinstance(assessment, NotScored) else None


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["triage", "ed_departure"])
@pytest.mark.parametrize(("name", "visits"), SETS)
def test_training_and_service_agree_on_every_visit(
    data_dir: Path, name: str, visits: int, variant: Variant
) -> None:
    export = export_of(data_dir / name)
    expected = dict(islice(trained(export, variant), visits))
    profile = load_profile("mimic") if "mimic" in name else None
    known = features_known_at(variant)
    asking_all, asking_less = (assessor(variant, e, profile) for e in (CATALOGUE.names, known))
    agreed = 0
    for encounter, request in requests_of(data_dir / name, lambda each: each["id"] in expected):
        one, other = expected[encounter], served(request, asking_all)
        if isinstance(one, NoOutcome):
            assert one.reason in OF_THE_LABEL or reason_of(other) == one.reason, encounter
            continue
        vector, outcome = one
        assert other.vector is not None, encounter
        assert other.vector.prediction_time == outcome.stay.prediction_time, encounter
        if "partial" in other.sources.values():
            continue
        assert other.vector.digest == vector.digest, encounter
        less = served(request, asking_less).vector
        assert less is not None, encounter
        assert [less[each] for each in known] == [vector[each] for each in known], encounter
        agreed += isinstance(other, Scored)
    assert agreed > len(expected) / 2
