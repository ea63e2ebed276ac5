"""A moving average of weights (Polyak): evaluated and kept instead of the last weights."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Average:
    """A moving average of the trained weights, which evaluation sees; idle where decay is 0."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self._decay, self.seen = decay, 0
        named = module.named_parameters()
        self._live = {name: each for name, each in named if each.requires_grad and decay > 0}
        self.mean = {name: each.detach().clone() for name, each in self._live.items()}

    def update(self) -> None:
        """After a step. The first steps weigh as much as they can, as they must."""
        self.seen += 1
        decay = min(self._decay, self.seen / (self.seen + 9.0))
        for name, weight in self._live.items():
            self.mean[name].lerp_(weight.detach(), 1.0 - decay)

    def shown(self) -> "_Shown":
        """While open, the module holds the average."""
        return _Shown(self._live, self.mean)


class _Shown:
    def __init__(self, live: Mapping[str, nn.Parameter], mean: Mapping[str, Tensor]) -> None:
        self._live, self._mean = live, mean
        self._own: dict[str, Tensor] = {}

    @torch.no_grad()
    def __enter__(self) -> None:
        self._own = {name: weight.detach().clone() for name, weight in self._live.items()}
        for name, weight in self._live.items():
            weight.copy_(self._mean[name])

    @torch.no_grad()
    def __exit__(self, *_: object) -> None:
        for name, weight in self._live.items():
            weight.copy_(self._own[name])
