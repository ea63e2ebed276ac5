"""Sparsemax, the attention of TabNet: exact, without sorting where there are many rows (docs/decisions/0023-speed.md)."""

from functools import cache

import torch
from torch import Tensor

_FEW_ROWS = 16


def sparsemax(rows: Tensor) -> Tensor:
    """Euclidean projection of the last dimension onto the simplex (Martins, Astudillo 2016)."""
    shifted = rows - rows.amax(-1, keepdim=True)
    at_once = rows.numel() <= _FEW_ROWS * rows.shape[-1] or not rows.is_cpu
    threshold = _sorted_threshold(shifted) if at_once else _climbed_threshold(shifted)
    return (shifted - threshold).clamp_min(0.0)


def _sorted_threshold(shifted: Tensor) -> Tensor:
    """Few launches, none waited for: of the k largest, (their sum - 1) / k is greatest for those that stay."""
    ranks = _ranks(shifted.shape[-1], shifted.dtype, shifted.device)
    sums = shifted.sort(-1, descending=True).values.cumsum(-1)
    return ((sums - 1.0) / ranks).amax(-1, keepdim=True)


@cache
def _ranks(width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):  # slopes are taken through it too
        return torch.arange(1, width + 1, dtype=dtype, device=device)


def _climbed_threshold(shifted: Tensor) -> Tensor:
    """No sorting, which would take longer than the network's products: Newton's steps from below, until no
    row loses an entry (Michelot 1986)."""
    kept = _kept(shifted.detach())
    return ((shifted * kept).sum(-1, keepdim=True) - 1.0) / kept.sum(-1, keepdim=True)


def _kept(shifted: Tensor) -> Tensor:
    """1 where the projection is above zero, else 0; the largest of each row of `shifted` is 0."""
    width = shifted.shape[-1]
    threshold = ((shifted.sum(-1, keepdim=True) - 1.0) / width).clamp_min_(-1.0)
    before = shifted.new_zeros(1)
    for _ in range(width):
        above = (shifted - threshold).clamp_min_(0.0)
        excess = above.sum(-1, keepdim=True) - 1.0
        kept = above.sign_()
        count = kept.sum(-1, keepdim=True)
        if torch.equal(count, before):
            break
        threshold, before = threshold + excess / count, count
    return kept
