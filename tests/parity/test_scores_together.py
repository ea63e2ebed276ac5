"""Many stays at once have the very numbers that each has alone, to the last shown decimal."""

from dataclasses import replace
from pathlib import Path

import pytest

from model import load_bundle, scorer_for
from model.bundle import write_bundle
from model.scoring import NO_PROBABILITY, Scorer
from tests.networks import (
    MANIFEST,
    as_values,
    ensemble,
    in_catalogue_order,
    small_config,
    table,
    trained_contents,
)

SHIPPED = Path(__file__).resolve().parents[2] / "bundles" / "lace-hospital"


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    made = trained_contents(ensemble(small_config(bins=8), members=3))
    return scorer_for(write_bundle(tmp_path_factory.mktemp("small") / "b", MANIFEST, made))


@pytest.mark.parametrize("rows", [0, 1, 7, 300])
def test_the_numbers_of_many_are_those_of_each_alone(scorer: Scorer, rows: int) -> None:
    vectors = [in_catalogue_order(as_values(row)) for row in table(rows)]
    alone = [replace(scorer.score(v), contributions=(), not_attributed=0.0) for v in vectors]
    assert list(scorer.scores(vectors)) == alone


def test_what_lies_between_two_roundings_is_scored_alone(
    scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every value called doubtful the batch is only one at a time."""
    vectors = [in_catalogue_order(as_values(row)) for row in table(20)]
    together = scorer.scores(vectors)
    monkeypatch.setattr("model.scoring._BATCH_DIFFERENCE", 1.0)
    assert scorer.scores(vectors) == together


def test_published_scores_have_none_together_either() -> None:
    assert scorer_for(load_bundle(SHIPPED)).scores([[None] * 105] * 3) == (NO_PROBABILITY,) * 3
