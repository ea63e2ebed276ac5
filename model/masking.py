"""Masked reconstruction: whole concepts are hidden, and the network must give their inputs back.

Only cells that were hidden and observed count. Targets are inputs, never trained embeddings:
squared error on standardised numbers, cross-entropy on binaries and categories.
"""

from dataclasses import dataclass
from functools import cache
from itertools import chain

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
    places = _places(layout, output.device)
    losses = _cells(output, prepared.nan_to_num(0.0), layout, places)
    losses = losses.where(counted, 0.0)
    membership = places.membership.to(losses.dtype)
    cells = counted.to(losses.dtype) @ membership
    by_concept = (losses @ membership) / cells.clamp_min(1.0)
    return Total(by_concept.sum(), (cells > 0).sum())


def _cells(output: Tensor, truth: Tensor, layout: Layout, places: "_Places") -> Tensor:
    """(rows, columns), all numbers at once, all binaries at once, then each category."""
    guesses = output.index_select(1, places.numbers_at)
    numbers = (guesses - truth.index_select(1, places.numbers)).square()
    binaries = functional.binary_cross_entropy_with_logits(
        output.index_select(1, places.binaries_at),
        truth.index_select(1, places.binaries),
        reduction="none",
    )
    categories = [
        functional.cross_entropy(
            output[:, start : start + size], truth[:, index].long(), reduction="none"
        ).unsqueeze(1)
        for index, (start, size) in enumerate(layout.spans)
        if layout.kinds[index] == "categorical"
    ]
    return torch.cat((numbers, binaries, *categories), dim=1).index_select(1, places.order)


@dataclass(frozen=True)
class _Places:
    """Columns of a kind, and `_at` where their outputs lie; `order` puts the kinds' columns back;
    `membership` (columns, concepts)."""

    numbers: Tensor
    numbers_at: Tensor
    binaries: Tensor
    binaries_at: Tensor
    order: Tensor
    membership: Tensor


@cache
def _places(layout: Layout, device: torch.device) -> _Places:
    """Made once: in every step they would be copied from the host, and waited for."""
    kinds = ("numeric", "binary", "categorical")
    of_kind = [[i for i, each in enumerate(layout.kinds) if each == kind] for kind in kinds]
    at = [[layout.spans[index][0] for index in columns] for columns in of_kind]
    with device:
        return _Places(
            torch.tensor(of_kind[0], dtype=torch.long),
            torch.tensor(at[0], dtype=torch.long),
            torch.tensor(of_kind[1], dtype=torch.long),
            torch.tensor(at[1], dtype=torch.long),
            torch.tensor([*chain(*of_kind)]).argsort(),
            functional.one_hot(torch.tensor(layout.concept_of), max(layout.concept_of) + 1),
        )


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
