"""How far each input moved the logit away from a reference patient's: Integrated Gradients.

Sundararajan et al. 2017, arXiv 1703.01365, in embedded space (METHOD.md, Explanation): a missing
input goes from the reference to the mask. What the steps leave over is said, never spread.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.folded import FoldedNetwork

_TOLERANCE = 1e-3
_FIRST, _MOST = 48, 512
"""Fewer than the first suffice for hardly any stay, and a batch costs more than its rows."""


@dataclass(frozen=True)
class Attribution:
    """`by_column` (columns,) and `rest` add up to the difference of mean logits exactly."""

    by_column: NDArray[numpy.float64]
    rest: float


def attribute(
    network: FoldedNetwork, prepared: Tensor, reference: Tensor, *, tolerance: float = _TOLERANCE
) -> Attribution:
    """One row against the reference, both (1, columns), by the midpoint rule.

    Steps triple until the gap is below `tolerance`, in mean logits: the middles of the coarser steps are then among those of
    the finer ones, so that no slope is taken twice.
    """
    with torch.inference_mode():
        ends = network.embed(torch.cat((reference, prepared)))
        moved = float(network.from_embedded(ends).diff().mean())
    start, end = ends[:, :1].clone(), ends[:, 1:].clone()  # out of inference mode
    steps = _FIRST
    summed = _amounts(network, start, end, _middles(steps))
    while True:
        by_column = summed / steps
        rest = moved - float(by_column.sum())
        if abs(rest) < tolerance or 3 * steps > _MOST:
            return Attribution(by_column, rest)
        steps *= 3
        finer = _middles(steps).view(-1, 3)[:, ::2].flatten()
        summed = summed + _amounts(network, start, end, finer)


def by_concept(amounts: Sequence[float], concepts: Sequence[str]) -> dict[str, float]:
    """Columns of one concept added up, in order of their first column."""
    summed: dict[str, float] = dict.fromkeys(concepts, 0.0)
    for concept, amount in zip(concepts, amounts, strict=True):
        summed[concept] += amount
    return summed


def _middles(steps: int) -> Tensor:
    """Where the middles of so many steps stand on the way from 0 to 1."""
    return (torch.arange(steps) + 0.5) / steps


def _amounts(
    network: FoldedNetwork, start: Tensor, end: Tensor, positions: Tensor
) -> NDArray[numpy.float64]:
    """The slopes at `positions` times the way, summed; one batch. (S, 1, E) -> (columns,)."""
    path = (start + positions.view(1, -1, 1) * (end - start)).requires_grad_(True)
    (slopes,) = torch.autograd.grad(network.from_embedded(path).mean(0).sum(), path)
    amounts = (slopes.sum(1) * (end - start).squeeze(1)).sum(0)
    width = network.embed.mask.shape[-1]
    by_column: NDArray[numpy.float64] = amounts.view(-1, width).sum(-1).double().numpy()
    return by_column
