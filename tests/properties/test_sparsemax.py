"""Both ways to sparsemax are the projection that sorting by definition gives, whatever the row."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from model.sparsemax import _climbed_threshold, _sorted_threshold, sparsemax

NUMBERS = st.floats(-1e3, 1e3, width=32)
TIED = st.sampled_from([-2.0, 0.0, 0.25, 0.5, 1.0, 1e3])
ROWS = st.one_of(
    st.lists(NUMBERS, min_size=1, max_size=40), st.lists(TIED, min_size=1, max_size=40)
)
FEW = 3


def projected(row: Tensor) -> Tensor:
    """By the definition (Martins, Astudillo 2016, algorithm 1), in double precision."""
    ordered = sorted(row.double().tolist(), reverse=True)
    sums = [sum(ordered[: k + 1]) for k in range(len(ordered))]
    kept = max(k for k, each in enumerate(ordered) if 1.0 + (k + 1) * each > sums[k])
    return (row.double() - (sums[kept] - 1.0) / (kept + 1)).clamp_min(0.0)


@given(row=ROWS)
def test_a_row_alone_and_among_many_is_its_projection(row: list[float]) -> None:
    given_ = torch.tensor(row)
    shifted = given_ - given_.max()
    expected = projected(shifted)
    for copies in (1, FEW, 40):
        found = sparsemax(given_.expand(copies, -1))
        assert torch.allclose(found.double(), expected.expand(copies, -1), rtol=0.0, atol=1e-6)


@given(row=ROWS)
def test_both_ways_come_to_one_threshold(row: list[float]) -> None:
    shifted = torch.tensor(row).double()[None]
    shifted = shifted - shifted.max()
    apart = _climbed_threshold(shifted) - _sorted_threshold(shifted)
    assert apart.abs().max() < 1e-7


@given(row=ROWS)
def test_it_lies_on_the_simplex(row: list[float]) -> None:
    found = sparsemax(torch.tensor(row).expand(20, -1))
    assert found.min() >= 0.0
    assert torch.allclose(found.sum(-1), torch.ones(20), atol=1e-5)


@pytest.mark.parametrize("rows", [1, 50])
def test_what_is_not_a_number_ends_too(rows: int) -> None:
    assert sparsemax(torch.full((rows, 4), float("nan"))).isnan().all()


def test_rows_of_one_batch_need_not_arrive_together() -> None:
    drawn = torch.randn(64, 30, generator=torch.Generator().manual_seed(1)).double()
    spread = drawn * torch.logspace(-4, 4, 64).double()[:, None]
    alone = torch.stack([sparsemax(row) for row in spread])
    assert torch.allclose(sparsemax(spread), alone, rtol=0.0, atol=1e-7)
