"""Each input as a short vector, before TabNet: numbers by piecewise-linear bins, levels by table.

A missing input and a masked one are the same thing here: the column's learned mask vector.
Piecewise-linear encoding: Gorishniy et al. 2022, arXiv 2203.05556, section 3.2.
"""

import torch
from torch import Tensor, nn

from model.preprocessing import Preprocessing, parts_of
from model.schema import Schema

_SPREAD = 0.3  # of first weights; the mask starts at zero, as in TabNet


class FeatureEmbedding(nn.Module):
    """(rows, columns) prepared, NaN where missing -> (rows, columns x `width`).

    Numeric columns: `bins` piecewise-linear parts each, or one linear part where `bins` is 0.
    Binary columns are categories with two levels; each category keeps a row for unknown.
    """

    edges: Tensor
    offsets: Tensor
    order: Tensor

    def __init__(self, schema: Schema, preprocessing: Preprocessing, bins: int, width: int) -> None:
        super().__init__()
        self.width, self.bins = width, bins
        self.numeric = [i for i, column in enumerate(schema) if column.kind == "numeric"]
        self.levelled = [i for i, column in enumerate(schema) if column.kind != "numeric"]
        levels = (len(schema.columns[i].levels) for i in self.levelled)
        sizes = [count + 1 if count else 2 for count in levels]
        self.register_buffer("edges", torch.from_numpy(preprocessing.bin_edges(schema, bins)))
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0), persistent=False)
        order = torch.tensor(self.numeric + self.levelled).argsort()
        self.register_buffer("order", order, persistent=False)
        parts = parts_of(bins)
        self.weight = nn.Parameter(torch.randn(len(self.numeric), parts, width) * _SPREAD)
        self.bias = nn.Parameter(torch.randn(len(self.numeric), width) * _SPREAD)
        self.levels = nn.Parameter(torch.randn(max(sum(sizes), 1), width) * _SPREAD)
        self.mask = nn.Parameter(torch.zeros(len(schema), width))

    def forward(self, prepared: Tensor) -> Tensor:
        missing = prepared.isnan()
        filled = torch.where(missing, torch.zeros((), dtype=prepared.dtype), prepared)
        embedded = torch.cat((self._numbers(filled), self._levels(filled)), dim=1)
        embedded = embedded[:, self.order]
        return torch.where(missing.unsqueeze(-1), self.mask, embedded).flatten(1)

    @torch.no_grad()
    def silence_unseen(self, prepared: Tensor) -> None:
        """What the training rows never showed speaks as a missing input, not as it was drawn."""
        for place, column in enumerate(self.numeric):
            if bool(prepared[:, column].isnan().all()):
                self.weight[place] = 0.0
                self.bias[place] = self.mask[column]
        ends = [*self.offsets.tolist()[1:], len(self.levels)]
        for column, start, end in zip(self.levelled, self.offsets.tolist(), ends, strict=True):
            cells = prepared[:, column]
            seen = {int(level) for level in torch.unique(cells[~cells.isnan()])}
            for row in set(range(end - start)) - seen:
                self.levels[start + row] = self.mask[column]

    def _numbers(self, filled: Tensor) -> Tensor:
        cells = filled[:, self.numeric].unsqueeze(-1)
        if self.bins:
            starts = self.edges[:, :-1]
            spans = self.edges[:, 1:] - starts
            cells = ((cells - starts) / spans).clamp(0.0, 1.0)
        return torch.einsum("rcb,cbw->rcw", cells, self.weight) + self.bias

    def _levels(self, filled: Tensor) -> Tensor:
        rows = filled[:, self.levelled].long() + self.offsets
        return self.levels[rows]
