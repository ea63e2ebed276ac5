"""Each resource type withheld in turn, in the four ways in which a client can: what the card says."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.catalogue import CATALOGUE, Feature
from fhir_mapping.extract import FeatureVector, extract
from fhir_mapping.history import IndexStay
from fhir_mapping.prefetch import PREFETCH, VITALS, Template
from fhir_mapping.reading import history_of
from fhir_mapping.stay import index_stay
from tests.service.requests import example, gathered, now
from tests.service.running import URL, running

pytestmark = pytest.mark.sampled(5)

FAILED = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
EMPTY = {"resourceType": "Bundle", "type": "searchset", "total": 0}
SEARCHES = [each for each in PREFETCH if each.count and each.key != VITALS]
CASES = ["margaret-heart-failure", "copd-frequent-ed", "other-units"]


def withheld(request: dict[str, Any], key: str, way: str) -> dict[str, Any]:
    changed = deepcopy(request)
    changed["prefetch"].pop(VITALS)
    if way == "absent":
        del changed["prefetch"][key]
    else:
        changed["prefetch"][key] = {"error": FAILED, "null": None, "empty": EMPTY}[way]
    return changed


def vector_of(request: dict[str, Any]) -> FeatureVector:
    found = gathered(request)
    history = history_of(found.resources, issues=found.issues)
    stay = index_stay(history, request["context"]["encounterId"], now())
    assert isinstance(stay, IndexStay)
    return extract(history, stay, found.sources)


def counted(template: Template) -> Iterator[Feature]:
    """The counts and flags whose zero rests on this type alone or with others."""
    for feature in CATALOGUE:
        if template.resource_type in feature.sources and feature.reduce in COUNTS:
            yield feature


COUNTS = {"visits_ed", "visits_hospital", "visits_icu", "diagnosed", "icu_days", "ed_drugs"}


@pytest.mark.parametrize("way", ["absent", "error"])
@pytest.mark.parametrize("template", SEARCHES, ids=lambda each: each.key)
@pytest.mark.parametrize("case", CASES)
def test_what_was_not_read_turns_zeros_into_missing(
    case: str, template: Template, way: str
) -> None:
    full, less = (vector_of(r) for r in (example(case), withheld(example(case), template.key, way)))
    for name, before, after in zip(CATALOGUE.names, full.values, less.values, strict=True):
        assert not (before is None and after is not None), name
    for feature in counted(template):
        assert less[feature.name] != 0.0, feature.name


@pytest.mark.parametrize("way", ["null", "empty"])
@pytest.mark.parametrize("template", SEARCHES, ids=lambda each: each.key)
@pytest.mark.parametrize("case", CASES)
def test_what_was_read_and_empty_gives_zeros(case: str, template: Template, way: str) -> None:
    less = vector_of(withheld(example(case), template.key, way))
    for feature in counted(template):
        assert less[feature.name] is not None, feature.name


@pytest.mark.parametrize("way", ["absent", "error"])
@pytest.mark.parametrize("template", SEARCHES, ids=lambda each: each.key)
async def test_the_card_counts_fewer_inputs_and_names_what_was_not_read(
    template: Template, way: str, tmp_path: Path
) -> None:
    request = without_drugs(example("other-units"), template)
    async with running(tmp_path) as http:
        full, less = [
            (await http.post(URL, json=each)).json()["cards"][0]["detail"]
            for each in (request, withheld(request, template.key, way))
        ]
    assert inputs(less) < inputs(full)
    assert re.search(rf"\*\*Not read:\*\*.*\b{template.resource_type}\b", less)
    assert "**Not read:**" not in full


@pytest.mark.parametrize("way", ["null", "empty"])
@pytest.mark.parametrize("template", SEARCHES, ids=lambda each: each.key)
async def test_an_empty_answer_is_not_called_unread(
    template: Template, way: str, tmp_path: Path
) -> None:
    async with running(tmp_path) as http:
        answer = await http.post(URL, json=withheld(example("other-units"), template.key, way))
    assert "**Not read:**" not in answer.json()["cards"][0]["detail"]


@pytest.mark.parametrize("way", ["absent", "error"])
@pytest.mark.parametrize("key", ["patient", "encounter"])
async def test_without_the_patient_or_any_encounter_nothing_is_said(
    key: str, way: str, tmp_path: Path
) -> None:
    request = withheld(example("other-units"), key, way)
    request["prefetch"].pop("encounters", None)
    request["prefetch"].pop("locations", None)
    async with running(tmp_path) as http:
        answer = await http.post(URL, json=request)
    assert answer.status_code == 412
    assert f"prefetch.{key}" in answer.json()["issue"][0]["diagnostics"]


def without_drugs(request: dict[str, Any], template: Template) -> dict[str, Any]:
    """A drug that was found proves its count, whatever else was not read: so let there be none."""
    if template.resource_type.startswith("Medication"):
        for each in SEARCHES:
            if each.resource_type.startswith("Medication"):
                request["prefetch"][each.key] = None
    return request


def inputs(detail: str) -> int:
    found = re.search(r"Based on (\d+) of 105 inputs", detail)
    assert found
    return int(found[1])


def test_the_cases_are_rich_enough() -> None:
    assert json.dumps(example(CASES[0])).count("resourceType") > 100
