"""Stage 1: hide whole concepts of a stay, and have the network give their inputs back."""

from collections.abc import Sequence

import torch
from torch import Tensor

from model.masking import Reconstructor, Total, hide_concepts
from training.fitting.batches import generator_for, shuffled
from training.fitting.world import World

_ROWS = 4096  # evaluated at once


class Reconstruction:
    """Mean loss over hidden and observed concepts of a batch, whatever process holds them."""

    def __init__(
        self,
        module: Reconstructor,
        train: Tensor,
        selection: Tensor,
        *,
        batch: int,
        mask_ratio: float,
        seed: int,
        world: World,
    ) -> None:
        """train, selection (rows, columns) prepared, on the module's device."""
        self.module = module
        self._train, self._selection = train, selection
        self._batch, self._ratio, self._world = batch, mask_ratio, world
        fixed = generator_for(seed, "selection masks")
        self._hidden = self._hide(len(selection), fixed)

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        """All rows once."""
        return shuffled(len(self._train), self._batch, generator)

    def backward(self, rows: Tensor, generator: torch.Generator) -> float:
        """Masks are drawn for the whole batch, so that they are the same in any world."""
        hidden = self._world.share(self._hide(len(rows), generator))
        total: Total = self.module(self._train[self._world.share(rows)], hidden)
        count = self._world.total(total.count).clamp_min(1)
        (total.sum / count).backward()  # type: ignore[no-untyped-call]
        return float(self._world.total(total.sum) / count)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Under the same masks in every epoch."""
        parts = zip(
            torch.split(self._selection, _ROWS), torch.split(self._hidden, _ROWS), strict=True
        )
        totals = [self.module(rows, hidden) for rows, hidden in parts]
        count = sum(int(each.count) for each in totals)
        loss = sum(float(each.sum) for each in totals) / max(count, 1)
        return {"selection": -loss, "tuning_loss": loss}

    def _hide(self, rows: int, generator: torch.Generator) -> Tensor:
        hidden = hide_concepts(rows, self.module.layout, self._ratio, generator)
        return hidden.to(self._train.device)
