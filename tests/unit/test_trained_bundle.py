"""A trained bundle loads to what was in memory, and scores as it did."""

from pathlib import Path

import msgspec
import numpy
import pytest
import torch

from model import load_bundle, scorer_for, write_bundle
from model.bundle import Bundle
from model.calibration import Calibrator
from model.preprocessing import Preprocessing, Standard
from model.schema import Column, Schema
from model.shape import TabNetConfig
from model.trained import FILES, Histogram, NetworkFile, SampleStay, TrainedModel
from tests.networks import (
    CALIBRATOR,
    CATALOGUE_NAMES,
    MANIFEST,
    REFERENCE_VALUES,
    SMALL,
    as_values,
    ensemble,
    in_catalogue_order,
    table,
    trained_contents,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "bundle.md"
CONTENTS = trained_contents()
WEIGHTS = "weights.safetensors"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bundle(tmp_path_factory.mktemp("bundles") / "small", MANIFEST, CONTENTS)


def model_of(bundle: Bundle) -> TrainedModel:
    assert bundle.trained is not None
    return bundle.trained


# What is loaded is what was in memory


def test_the_loaded_members_are_those_in_memory_to_the_last_bit(bundle: Bundle) -> None:
    made, raw = ensemble(), table(30, seed=7)
    prepared = model_of(bundle).prepare(raw)
    here = made.folded().logits(prepared)
    assert torch.equal(model_of(bundle).network.logits(prepared), here)
    assert numpy.array_equal(model_of(bundle).logits(raw), here.double().numpy())
    assert abs(model_of(bundle).logits(raw) - made.logits(raw)).max() < 1e-4


def test_a_score_is_the_trained_members_calibrated_and_rounded_once(bundle: Bundle) -> None:
    raw = table(12, seed=7)
    logits = ensemble().logits(raw)
    low, high = CALIBRATOR.interval(logits)
    risks = CALIBRATOR.probability(logits)
    for index, row in enumerate(raw):
        score = scorer_for(bundle).score(in_catalogue_order(as_values(row)))
        assert score.interval is not None
        assert score.probability is not None
        found = (score.interval[0], score.probability, score.interval[1])
        expected = (low[index], risks[index], high[index])
        assert found == pytest.approx(expected, abs=0.5e-4 + 1e-6)
        assert found == tuple(round(each, 4) for each in found)
        assert found[0] <= found[1] <= found[2]


def test_contributions_are_by_concept_largest_first_and_add_up(bundle: Bundle) -> None:
    raw = table(6, seed=8)
    model = model_of(bundle)
    reference = model.logits(model.encode(REFERENCE_VALUES)[None]).mean()
    for row, logit in zip(raw, model.logits(raw).mean(0), strict=True):
        score = scorer_for(bundle).score(in_catalogue_order(as_values(row)))
        assert {each.concept for each in score.contributions} == {*SMALL.concepts}
        sizes = [abs(each.amount) for each in score.contributions]
        assert sizes == sorted(sizes, reverse=True)
        summed = sum(each.amount for each in score.contributions) + score.not_attributed
        assert summed == pytest.approx(CALIBRATOR.slope * (logit - reference), abs=1e-5)


def test_the_reference_patient_has_nothing_to_explain(bundle: Bundle) -> None:
    score = scorer_for(bundle).score(in_catalogue_order(REFERENCE_VALUES))
    assert {each.amount for each in score.contributions} == {0.0}
    assert score.not_attributed == 0.0


def test_features_are_picked_from_the_catalogue_by_position(bundle: Bundle) -> None:
    assert [CATALOGUE_NAMES[index] for index in bundle.positions] == list(SMALL.names)
    values = in_catalogue_order(REFERENCE_VALUES)
    score = scorer_for(bundle).score(values)
    for index, name in enumerate(CATALOGUE_NAMES):
        changed: list[float | str | None] = [*values]
        changed[index] = None if values[index] is not None else 40.0
        same = scorer_for(bundle).score(changed) == score
        assert same == (name not in SMALL.names), name


def test_a_level_nobody_heard_of_is_scored_as_unknown(bundle: Bundle) -> None:
    row = numpy.array([0.0 if name != "transport" else 3.0 for name in SMALL.names])
    assert as_values(row)[3] == "never heard of"
    assert model_of(bundle).encode(as_values(row)).tolist() == row.tolist()


def test_the_same_members_make_the_same_bundle(tmp_path: Path, bundle: Bundle) -> None:
    again = write_bundle(tmp_path / "again", MANIFEST, trained_contents(ensemble()))
    assert again.digest == bundle.digest
    assert load_bundle(bundle.path) == bundle


# The page


@pytest.mark.parametrize(
    "form",
    [NetworkFile, TabNetConfig, Column, Standard, Calibrator, SampleStay, Histogram, Schema,
     Preprocessing],
    ids=lambda form: form.__name__,
)  # fmt: skip
def test_the_page_knows_every_field(form: type[msgspec.Struct]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in form.__struct_fields__ if f"`{name}`" not in page] == []


def test_the_page_knows_every_file() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in FILES if f"| `{name}` |" not in page] == []
