import numpy
import pytest
import torch
from torch import Tensor

from model.embedding import FeatureEmbedding
from model.preprocessing import Preprocessing, Standard, fit_preprocessing, parts_of
from model.schema import Column, Schema
from tests.networks import SMALL, prepared_rows, table

NAN = float("nan")
ONE = Schema((Column("x", "numeric", "x"),))
THREE_BINS = Preprocessing({"x": Standard(0.0, 1.0, (-1.0, 0.0, 2.0, 3.0))})


def embedding(bins: int = 3, width: int = 2, schema: Schema = SMALL) -> FeatureEmbedding:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FeatureEmbedding(schema, fit_preprocessing(SMALL, table(), bins), bins, width)


def embedded(of: FeatureEmbedding, rows: Tensor) -> Tensor:
    """(rows, columns, width)."""
    found: Tensor = of(rows).detach()
    return found.reshape(len(rows), -1, of.width)


def row(**cells: float) -> Tensor:
    return torch.tensor([[cells.get(name, 0.0) for name in SMALL.names]])


@pytest.mark.parametrize(
    ("x", "parts"),
    [
        (-5.0, (0.0, 0.0, 0.0)),
        (-0.25, (0.75, 0.0, 0.0)),
        (0.0, (1.0, 0.0, 0.0)),
        (1.5, (1.0, 0.75, 0.0)),
        (2.5, (1.0, 1.0, 0.5)),
        (9.0, (1.0, 1.0, 1.0)),
    ],
)
def test_a_number_fills_its_bins_one_after_the_other(x: float, parts: tuple[float, ...]) -> None:
    all_parts = parts_of(3)
    embed = FeatureEmbedding(ONE, THREE_BINS, 3, all_parts)
    embed.weight.data = torch.eye(all_parts).unsqueeze(0)
    embed.bias.data.zero_()
    found = embedded(embed, torch.tensor([[x]]))[0, 0].tolist()
    not_needed = [0.0] * (all_parts - 3)  # bins beyond the edges stay as good as empty
    assert found == pytest.approx([*parts, *not_needed], abs=1e-6)


def test_without_bins_a_number_is_scaled_and_shifted() -> None:
    embed = FeatureEmbedding(ONE, Preprocessing({"x": Standard(0.0, 1.0, ())}), 0, 2)
    embed.weight.data = torch.tensor([[[2.0, -1.0]]])
    embed.bias.data = torch.tensor([[0.5, 0.0]])
    assert embedded(embed, torch.tensor([[3.0]]))[0, 0].tolist() == [6.5, -3.0]


@pytest.mark.parametrize("name", SMALL.names)
def test_each_column_keeps_its_place(name: str) -> None:
    embed = embedding()
    moved = embedded(embed, row(**{name: 1.0})) != embedded(embed, row())
    changed = moved.any(-1)[0].tolist()
    assert changed == [other == name for other in SMALL.names]


@pytest.mark.parametrize("name", SMALL.names)
def test_a_missing_input_is_its_columns_mask(name: str) -> None:
    embed = embedding()
    found = embedded(embed, row(**{name: NAN}))[0]
    index = SMALL.names.index(name)
    assert torch.equal(found[index], embed.mask.detach()[index])
    others = [i for i in range(len(SMALL)) if i != index]
    assert torch.equal(found[others], embedded(embed, row())[0][others])


def test_missing_and_masked_are_the_same_bits() -> None:
    prepared, embed = prepared_rows(), embedding()
    hidden = torch.rand(prepared.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    masked = prepared.masked_fill(hidden, NAN)
    was_missing = torch.where(hidden, torch.full_like(prepared, NAN), prepared)
    other_values = torch.where(hidden, prepared + 100, prepared).masked_fill(hidden, NAN)
    assert torch.equal(embed(masked), embed(was_missing))
    assert torch.equal(embed(masked), embed(other_values))


def test_every_level_and_unknown_has_a_row_of_its_own() -> None:
    embed = embedding()
    embed.levels.data = torch.arange(embed.levels.numel()).float().view_as(embed.levels)
    seen = {
        tuple(embedded(embed, row(**{column.name: float(level)}))[0, index].tolist())
        for index, column in enumerate(SMALL)
        if column.kind != "numeric"
        for level in range(len(column.levels) + 1 if column.levels else 2)
    }
    assert len(seen) == 2 + 4 + 2 + 3 == len(embed.levels)


def test_an_unknown_level_trains_its_own_row_only() -> None:
    embed = embedding()
    embed(row(transport=3.0)).unflatten(1, (-1, 2))[
        :, SMALL.names.index("transport")
    ].sum().backward()
    assert embed.levels.grad is not None
    assert embed.levels.grad.any(-1).nonzero().flatten().tolist() == [2 + 3]


def test_a_missing_input_trains_its_mask_and_nothing_else_of_its_column() -> None:
    embed = embedding()
    embed(row(age=NAN)).unflatten(1, (-1, 2))[:, 0].sum().backward()
    assert embed.mask.grad is not None
    assert embed.mask.grad.any(-1).nonzero().flatten().tolist() == [0]
    assert embed.weight.grad is not None
    assert not embed.weight.grad.any()
    assert not embed.levels.grad.any()  # type: ignore[union-attr]


@pytest.mark.parametrize("level", [-1e9, -1.0, 2.5, 4.0, 77.0, 1e9, numpy.inf])
@pytest.mark.parametrize("name", ["heart_failure", "transport", "urgent", "ward"])
def test_no_prepared_value_is_outside_the_table(name: str, level: float) -> None:
    raw = numpy.zeros((1, len(SMALL)))
    raw[0, SMALL.names.index(name)] = level
    prepared = fit_preprocessing(SMALL, table(), 3).apply(SMALL, raw)
    assert embedding()(torch.from_numpy(prepared)).isfinite().all()


@pytest.mark.parametrize("kind", ["numeric", "binary"])
def test_a_schema_of_one_kind_is_embedded_too(kind: str) -> None:
    schema = Schema(tuple(column for column in SMALL if column.kind == kind))
    rows = torch.tensor([[1.0, NAN, *[0.0] * (len(schema) - 2)]])
    assert embedding(schema=schema)(rows).shape == (1, len(schema) * 2)
    assert embedding(schema=schema)(rows).isfinite().all()


def test_a_column_that_needs_no_bins_is_finite() -> None:
    fitted = fit_preprocessing(ONE, numpy.array([[3.0], [3.0]]), 4)
    embed = FeatureEmbedding(ONE, fitted, 4, 2)
    assert embed(torch.tensor([[0.0], [10.0], [-10.0]])).isfinite().all()


def test_a_level_that_training_never_showed_speaks_as_a_missing_input() -> None:
    embed = embedding()
    rows = prepared_rows(40)
    levelled = embed.levelled[0]
    rows[:, levelled] = 0.0
    embed.silence_unseen(rows)
    other, missing = rows[:1].clone(), rows[:1].clone()
    other[0, levelled], missing[0, levelled] = 1.0, float("nan")
    assert torch.equal(embed(other), embed(missing))
    assert not torch.equal(embed(rows[:1]), embed(missing))
