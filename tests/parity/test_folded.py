"""The network that serves gives what the trained modules give, whatever their shape."""

import itertools

import pytest
import torch
from pytorch_tabnet import sparsemax as library
from torch import Tensor

from model.folded import fold
from model.schema import Schema
from model.shape import TabNetConfig
from model.sparsemax import sparsemax
from tests.networks import (
    CALIBRATOR,
    SMALL,
    classifier,
    ensemble,
    prepared_rows,
    small_config,
    table,
)

SHAPES = [
    small_config(bins=bins, embedding=embedding, attention=attention, output=output)
    for bins, embedding, attention, output in itertools.product(
        (0, 8), (1, 4), ("column", "concept"), (4, 6)
    )
]


def named(config: TabNetConfig) -> str:
    widened = "as it is" if config.n_d == config.output else "widened"
    return f"{config.bins} bins, {config.embedding} wide, by {config.attention}, {widened}"


def both(config: TabNetConfig, members: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    trained = [classifier(config, seed).to(dtype) for seed in range(members)]
    prepared = prepared_rows(30).to(dtype)
    folded = fold(SMALL, config, [each.state_dict() for each in trained])
    with torch.inference_mode():
        return folded.logits(prepared), torch.stack([each(prepared) for each in trained])


@pytest.mark.parametrize("config", SHAPES, ids=named)
def test_folded_is_trained_in_double_precision(config: TabNetConfig) -> None:
    found, expected = both(config, members=2, dtype=torch.float64)
    assert found.dtype == torch.float64
    assert found.shape == (2, 30)
    assert (found - expected).abs().max() < 1e-10
    assert expected.std() > 0.01  # rows do differ, or this would show nothing


@pytest.mark.parametrize("config", SHAPES, ids=named)
def test_folded_is_trained_in_single_precision(config: TabNetConfig) -> None:
    found, expected = both(config, members=3, dtype=torch.float32)
    assert found.dtype == torch.float32
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize("members", [1, 2, 5])
def test_members_do_not_touch_each_other(members: int) -> None:
    found, expected = both(small_config(), members, torch.float64)
    assert (found - expected).abs().max() < 1e-10


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize(("independent", "shared"), [(1, 1), (3, 1), (1, 3)])
def test_folded_is_trained_whatever_the_depth(steps: int, independent: int, shared: int) -> None:
    config = TabNetConfig(
        n_d=4, n_a=3, n_steps=steps, n_independent=independent, n_shared=shared,
        gamma=1.5, virtual_batch_size=8, output=5,
    )  # fmt: skip
    found, expected = both(config, 2, torch.float64)
    assert (found - expected).abs().max() < 1e-10


@pytest.mark.parametrize("cells", [float("nan"), 10.0, -10.0, 0.0], ids=str)
def test_folded_is_trained_at_the_edges(cells: float) -> None:
    made = ensemble()
    prepared = torch.full((1, len(SMALL)), cells)
    levelled = [i for i, column in enumerate(SMALL) if column.kind != "numeric"]
    prepared[:, levelled] = prepared[:, levelled].clamp(0.0, 1.0)
    with torch.inference_mode():
        expected = torch.stack([each(prepared) for each in made.members])
        assert (made.folded().logits(prepared) - expected).abs().max() < 1e-4


def test_the_way_through_the_embedding_is_the_whole_way() -> None:
    folded, prepared = ensemble().folded(), prepared_rows()
    assert torch.equal(folded.from_embedded(folded.embed(prepared)), folded.logits(prepared))


def test_a_hidden_input_and_a_missing_one_give_the_same_bits() -> None:
    folded, prepared = ensemble().folded(), prepared_rows()
    hidden = torch.rand(prepared.shape, generator=torch.Generator().manual_seed(4)) < 0.4
    elsewhere = torch.where(hidden, torch.zeros(()), prepared)
    one, other = (each.masked_fill(hidden, float("nan")) for each in (prepared, elsewhere))
    assert torch.equal(folded.logits(one), folded.logits(other))


@pytest.mark.parametrize("size", [1, 3, 7, 32, 200])
def test_the_probability_is_the_same_whatever_the_batch(size: int) -> None:
    made = ensemble(small_config(bins=8, embedding=4), members=3)
    prepared = torch.from_numpy(made.preprocessing.apply(SMALL, table(200, seed=9)))
    folded = made.folded()
    whole = CALIBRATOR.probability(folded.logits(prepared).double().numpy())
    parts = [folded.logits(part) for part in torch.split(prepared, size)]
    apart = CALIBRATOR.probability(torch.cat(parts, dim=1).double().numpy())
    assert abs(whole - apart).max() < 1e-6


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("width", [1, 2, 9, 60])
def test_sparsemax_is_the_librarys(width: int, scale: float) -> None:
    rows = torch.randn(50, width, generator=torch.Generator().manual_seed(width)).double() * scale
    expected = library.sparsemax(rows.clone(), -1)  # it changes what it is given
    assert torch.allclose(sparsemax(rows), expected, rtol=0.0, atol=1e-14)


def test_sparsemax_has_the_librarys_gradient() -> None:
    rows = torch.randn(50, 9, generator=torch.Generator().manual_seed(0)).double()
    weights = torch.linspace(-1.0, 1.0, 9).double()
    one, other = rows.clone().requires_grad_(True), rows.clone().requires_grad_(True)
    torch.autograd.backward((sparsemax(one) * weights).sum())
    (library.sparsemax(other * 1.0, -1) * weights).sum().backward()
    assert one.grad is not None
    assert other.grad is not None
    assert torch.allclose(one.grad, other.grad, rtol=0.0, atol=1e-14)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([0.0, 0.0], [0.5, 0.5]),
        ([1.0, 0.0], [1.0, 0.0]),
        ([0.5, 0.0], [0.75, 0.25]),
        ([3.0, 3.0, 0.0], [0.5, 0.5, 0.0]),
        ([7.0], [1.0]),
    ],
    ids=str,
)
def test_sparsemax_by_hand(given: list[float], expected: list[float]) -> None:
    assert sparsemax(torch.tensor(given)).tolist() == expected


def test_sparsemax_takes_the_last_of_any_number_of_dimensions() -> None:
    rows = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(sparsemax(rows)[1, 2], sparsemax(rows[1, 2]))
    assert torch.allclose(sparsemax(rows).sum(-1), torch.ones(2, 3))


@pytest.mark.parametrize("kind", ["numeric", "binary", "categorical"])
def test_folded_is_trained_on_columns_of_one_kind(kind: str) -> None:
    schema = Schema(tuple(column for column in SMALL if column.kind == kind))
    member = classifier(small_config(), schema=schema)
    prepared = prepared_rows(schema=schema)
    folded = fold(schema, small_config(), [member.state_dict()])
    with torch.inference_mode():
        assert (folded.logits(prepared)[0] - member(prepared)).abs().max() < 1e-4


def test_only_the_first_output_is_served() -> None:
    member = classifier(small_config(), outputs=2)
    prepared = prepared_rows()
    folded = fold(SMALL, small_config(), [member.state_dict()])
    with torch.inference_mode():
        both_outputs = member.head(member.encoder(prepared).embedding)
        assert (folded.logits(prepared)[0] - both_outputs[:, 0]).abs().max() < 1e-4
