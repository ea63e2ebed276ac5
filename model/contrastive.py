"""Stage 2: a stay's record and its discharge summary side by side, as in CLIP (arXiv 2103.00020).

Projection heads and the symmetric InfoNCE loss with a learned scale. Which stays share a batch is
the sampler's business (training/batches.py).
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

_FIRST_SCALE = math.log(1 / 0.07)
_MAX_SCALE = math.log(100.0)  # both as in CLIP


class ProjectionHead(nn.Module):
    """(rows, width) -> (rows, 128) of length 1."""

    def __init__(self, width: int, output: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(width, output), nn.GELU(), nn.Linear(output, output))

    def forward(self, rows: Tensor) -> Tensor:
        return functional.normalize(self.layers(rows), dim=-1)


class LogitScale(nn.Module):
    """The learned inverse temperature, kept as its logarithm and at most 100."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(_FIRST_SCALE))

    def forward(self) -> Tensor:
        with torch.no_grad():  # the parameter, not its use: it must be able to come down again
            self.log_scale.clamp_(max=_MAX_SCALE)
        return self.log_scale.exp()


def info_nce(records: Tensor, texts: Tensor, logit_scale: Tensor) -> Tensor:
    """Mean of both directions' cross-entropies; row i of one belongs to row i of the other.

    records, texts (rows, width) of length 1.
    """
    logits = logit_scale * records @ texts.T
    pairs = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, pairs) + functional.cross_entropy(logits.T, pairs)) / 2


def retrieval_at_1(records: Tensor, texts: Tensor) -> float:
    """Share of records whose nearest text is their own; chance is 1 in rows."""
    nearest = (records @ texts.T).argmax(dim=1)
    own = torch.arange(len(nearest), device=nearest.device)
    return float((nearest == own).float().mean())
