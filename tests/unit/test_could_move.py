"""How far a missing input could move the number: what the model really gives lies in the bounds."""

from dataclasses import replace
from pathlib import Path

import numpy
import pytest

from model import load_bundle, scorer_for
from model.bundle import write_bundle
from model.could_move import moves, plausible
from model.schema import Column
from model.scoring import PublishedScorer, Scorer, TrainedScorer
from model.trained import Histogram, TrainedModel, Value
from tests.networks import (
    MANIFEST,
    SMALL,
    as_values,
    ensemble,
    small_config,
    table,
    trained_contents,
)

AGE = Column("age", "numeric", "age")
URGENT = Column("urgent", "binary", "this stay")
WARD = Column("ward", "categorical", "this stay", ("medical", "surgical", "other"))
DEMO = Path(__file__).resolve().parents[2] / "bundles" / "demo"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    made = trained_contents(ensemble(small_config(bins=8), members=3))
    found = write_bundle(tmp_path_factory.mktemp("small") / "bundle", MANIFEST, made).trained
    assert found is not None
    shapes = {"age": ((45.0, 60.0, 75.0), (0.25,) * 4), "los_days": ((2.0, 4.0, 9.0), (0.25,) * 4)}
    seen = {name: Histogram(0.2, *shape) for name, shape in shapes.items()}
    return replace(found, histograms={**found.histograms, **seen})


@pytest.fixture(scope="module")
def scorer(model: TrainedModel) -> TrainedScorer:
    return TrainedScorer(model, range(len(SMALL)))


@pytest.mark.parametrize(
    ("column", "edges", "shares", "values"),
    [
        (AGE, (10.0, 20.0, 30.0), (0.25, 0.25, 0.25, 0.25), (10.0, 20.0, 30.0)),
        (AGE, (10.0, 20.0, 30.0), (0.02, 0.02, 0.92, 0.04), (20.0,)),
        (AGE, (0.0, 1.0), (0.0, 0.844, 0.156), (0.0, 1.0)),  # a count that most often is 0
        (AGE, (0.0, 1.0), (0.0, 0.98, 0.02), (0.0,)),
        (AGE, (), (1.0,), ()),
        (AGE, (), (), ()),  # too few stays had a value
        (URGENT, (), (0.9, 0.1), (0.0, 1.0)),
        (URGENT, (), (1.0, 0.0), (0.0,)),
        (WARD, (), (0.5, 0.0, 0.4, 0.1), (0.0, 2.0)),  # not seen; and unknown is no level
    ],
)
def test_plausible_is_what_the_training_stays_had(
    column: Column, edges: tuple[float, ...], shares: tuple[float, ...], values: tuple[float, ...]
) -> None:
    assert plausible(column, Histogram(0.1, edges, shares)) == values


@pytest.mark.parametrize("index", range(10))
def test_what_the_model_gives_with_the_value_lies_in_the_bounds(
    model: TrainedModel, scorer: Scorer, index: int
) -> None:
    values = as_values(table(10, seed=8)[index])
    missing = {name for name, value in zip(SMALL.names, values, strict=True) if value is None}
    for move in scorer.could_move(values, missing, most=99):
        column = SMALL.columns[SMALL.names.index(move.name)]
        given = [
            scorer.score(_with(values, column, each)).probability or 0.0
            for each in plausible(column, model.histograms[column.name])
        ]
        assert move.lowest == pytest.approx(min(given), abs=2e-4)
        assert move.highest == pytest.approx(max(given), abs=2e-4)
        assert 0.0 <= move.lowest <= move.highest <= 1.0


def _with(values: tuple[Value, ...], column: Column, cell: float) -> tuple[Value, ...]:
    value = column.levels[int(cell)] if column.levels else cell
    named = zip(SMALL.names, values, strict=True)
    return tuple(value if name == column.name else old for name, old in named)


def test_the_widest_come_first_and_no_more_than_asked(scorer: Scorer) -> None:
    nothing = (None,) * len(SMALL)
    found = scorer.could_move(nothing, SMALL.names, most=3)
    every = scorer.could_move(nothing, SMALL.names, most=99)
    assert (len(found), found) == (3, every[:3])
    widths = [each.highest - each.lowest for each in every]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 0.001


def test_only_what_is_asked_about_is_moved(model: TrainedModel) -> None:
    row = numpy.full(len(SMALL), numpy.nan)
    assert [each.name for each in moves(model, row, ("urgent", "not an input"))] == ["urgent"]
    assert moves(model, row, ()) == []
    assert numpy.isnan(row).all()  # what was given is as it was


def test_published_scores_have_neither() -> None:
    scorer = PublishedScorer()
    assert scorer.attention([None] * 105) is None
    assert scorer.could_move([None] * 105, ("age",)) == ()


def test_the_demonstration_can_move() -> None:
    bundle = load_bundle(DEMO)
    found = scorer_for(bundle).could_move([None] * 105, bundle.manifest.features)
    assert len(found) == 5
    assert all(each.lowest < each.highest for each in found)
