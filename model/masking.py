"""Masked reconstruction: whole concepts are hidden, and the network must give their inputs back.

Only cells that were hidden and observed count. Targets are inputs, never trained embeddings:
squared error on standardised numbers, cross-entropy on binaries and categories.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.schema import Schema
from model.shape import TabNetConfig
from model.tabnet import TabNetDecoder, TabNetEncoder


@dataclass(frozen=True)
class Total:
    """A loss as sum and count, so that parts of a batch add up to the whole exactly."""

    sum: Tensor
    count: Tensor


@dataclass(frozen=True)
class Layout:
    """Where each column's outputs lie, and to which concept it belongs. `spans`: (start, size)."""

    spans: tuple[tuple[int, int], ...]
    kinds: tuple[str, ...]
    concept_of: tuple[int, ...]

    @property
    def targets(self) -> int:
        """Number of outputs: one a number, one a binary, a level and unknown each a category."""
        return sum(size for _, size in self.spans)


def layout_of(schema: Schema) -> Layout:
    """Outputs in column order."""
    sizes = [len(column.levels) + 1 if column.levels else 1 for column in schema]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    concepts = schema.concepts
    return Layout(
        tuple(zip(starts, sizes, strict=True)),
        tuple(column.kind for column in schema),
        tuple(concepts.index(column.concept) for column in schema),
    )


def hide_concepts(rows: int, layout: Layout, ratio: float, generator: torch.Generator) -> Tensor:
    """(rows, columns) True where hidden: each concept of each row with probability `ratio`."""
    concepts = max(layout.concept_of) + 1
    chosen = torch.rand(rows, concepts, generator=generator) < ratio
    return chosen[:, list(layout.concept_of)]


def reconstruction_loss(output: Tensor, prepared: Tensor, hidden: Tensor, layout: Layout) -> Total:
    """Over cells hidden and observed: mean within a row's concept, summed over those concepts.

    output (rows, targets), prepared (rows, columns) with NaN, hidden (rows, columns). `count` is
    the number of (row, concept) pairs, so a concept of six columns weighs as much as one of one.
    """
    counted = hidden & ~prepared.isnan()
    losses = torch.stack(
        [_cells(output, prepared, layout, index) for index in range(len(layout.kinds))], dim=1
    )
    losses = torch.where(counted, losses, torch.zeros((), dtype=losses.dtype))
    membership = functional.one_hot(torch.tensor(layout.concept_of)).to(losses)
    cells = counted.to(losses) @ membership
    by_concept = (losses @ membership) / cells.clamp_min(1.0)
    return Total(by_concept.sum(), (cells > 0).sum())


def _cells(output: Tensor, prepared: Tensor, layout: Layout, index: int) -> Tensor:
    start, size = layout.spans[index]
    guess = output[:, start : start + size]
    truth = prepared[:, index].nan_to_num(0.0)
    if layout.kinds[index] == "numeric":
        return (guess[:, 0] - truth).square()
    if layout.kinds[index] == "binary":
        return functional.binary_cross_entropy_with_logits(guess[:, 0], truth, reduction="none")
    return functional.cross_entropy(guess, truth.long(), reduction="none")


class Reconstructor(nn.Module):
    """Encoder and decoder of stage 1."""

    def __init__(self, encoder: TabNetEncoder, schema: Schema, config: TabNetConfig) -> None:
        super().__init__()
        self.layout = layout_of(schema)
        self.encoder = encoder
        self.decoder = TabNetDecoder(self.layout.targets, config)

    def forward(self, prepared: Tensor, hidden: Tensor) -> Total:
        """The loss of one batch: hidden cells are NaN to the encoder."""
        seen = prepared.masked_fill(hidden, float("nan"))
        output = self.decoder(self.encoder(seen).steps)
        return reconstruction_loss(output, prepared, hidden, self.layout)
