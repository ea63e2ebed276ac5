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
_BENT = 16.0
"""Tolerances by which the ways, all stretches added up, may bend between neighbouring points."""
_FIRST, _MORE, _MOST = 64, 32, 512
"""Points on the way: at first, at a time, at most. A batch costs more than its rows."""
_STRAIGHT = 1e-5
"""Two slopes that differ by less, in logits of their stretch, are one slope and rounding."""


@dataclass(frozen=True)
class Attribution:
    """`by_column` (columns,) and `rest` add up to the difference of mean logits exactly."""

    by_column: NDArray[numpy.float64]
    rest: float


@dataclass(frozen=True)
class _Walk:
    """Points in order on each member's way from the reference, 0, to the row, 1.

    `positions`, `logits` (S, P); `amounts` (S, P, columns): the slope at the point times the way.
    """

    positions: Tensor
    logits: Tensor
    amounts: Tensor

    def with_points(self, more: "_Walk") -> "_Walk":
        """Both, in order."""
        positions = torch.cat((self.positions, more.positions), dim=1)
        order = positions.argsort(dim=1)
        logits = torch.cat((self.logits, more.logits), dim=1).gather(1, order)
        amounts = torch.cat((self.amounts, more.amounts), dim=1)
        by_point = order.unsqueeze(-1).expand_as(amounts)
        return _Walk(positions.gather(1, order), logits, amounts.gather(1, by_point))


def attribute(
    network: FoldedNetwork, prepared: Tensor, reference: Tensor, *, tolerance: float = _TOLERANCE
) -> Attribution:
    """One row against the reference, both (1, columns).

    More points go where the way bends until hardly any bend is left and the gap is below
    `tolerance`, in mean logits (docs/decisions/0026-contributions.md).
    """
    with torch.inference_mode():
        ends = network.embed(torch.cat((reference, prepared)))
    start, end = ends[:, :1].clone(), ends[:, 1:].clone()  # out of inference mode
    walk = _walked(network, start, end, torch.linspace(0.0, 1.0, _FIRST).expand(len(ends), -1))
    while True:
        bends = _bends(walk)
        found = _summed(walk, bends)
        bent = float(bends.abs().sum(1).mean())
        done = abs(found.rest) < tolerance and bent < _BENT * tolerance
        if done or walk.positions.shape[1] + _MORE > _MOST:
            return found
        walk = walk.with_points(_walked(network, start, end, _between(walk, bends)))


def by_concept(amounts: Sequence[float], concepts: Sequence[str]) -> dict[str, float]:
    """Columns of one concept added up, in order of their first column."""
    summed: dict[str, float] = dict.fromkeys(concepts, 0.0)
    for concept, amount in zip(concepts, amounts, strict=True):
        summed[concept] += amount
    return summed


def _walked(network: FoldedNetwork, start: Tensor, end: Tensor, positions: Tensor) -> _Walk:
    """Logits and slopes at `positions` (S, P) in one batch; `start`, `end` (S, 1, E)."""
    way = end - start
    path = (start + positions.unsqueeze(-1) * way).requires_grad_(True)
    logits = network.from_embedded(path)
    (slopes,) = torch.autograd.grad(logits.sum(), path)
    by_column = (slopes * way).view(*positions.shape, -1, network.embed.mask.shape[-1]).sum(-1)
    return _Walk(positions, logits.detach(), by_column)


def _bends(walk: _Walk) -> Tensor:
    """(S, P - 1): how far each stretch leads beside the mean of the slopes at its ends, in logits."""
    along = walk.amounts.sum(-1)
    return walk.logits.diff(dim=1) - walk.positions.diff(dim=1) * (along[:, :-1] + along[:, 1:]) / 2


def _summed(walk: _Walk, bends: Tensor) -> Attribution:
    """Each stretch goes with the slope at its start up to where that at its end must take over to
    arrive at the known logit: half way where both are one, exactly at a single kink."""
    lengths = walk.positions.diff(dim=1)
    turns = -lengths * walk.amounts.sum(-1).diff(dim=1)
    off_middle = (bends / turns).clamp(-0.5, 0.5).where(turns.abs() > _STRAIGHT, 0.0)
    first = ((0.5 + off_middle) * lengths).unsqueeze(-1) * walk.amounts[:, :-1]
    then = ((0.5 - off_middle) * lengths).unsqueeze(-1) * walk.amounts[:, 1:]
    by_column = (first + then).sum(1).double().mean(0).numpy()
    moved = float((walk.logits[:, -1] - walk.logits[:, 0]).double().mean())
    return Attribution(by_column, moved - float(by_column.sum()))


def _between(walk: _Walk, bends: Tensor) -> Tensor:
    """(S, _MORE): the middles of each member's most bent stretches."""
    before = bends.abs().topk(_MORE, dim=1).indices
    return (walk.positions.gather(1, before) + walk.positions.gather(1, before + 1)) / 2
