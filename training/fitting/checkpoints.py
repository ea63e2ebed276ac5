"""Where a fit is after an epoch, as one file: weights, best weights, optimiser, average, position."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from training.fitting.averaging import Average
from training.runs import Stage

NAME = "checkpoint"


@dataclass
class Position:
    """`epoch`, `step`: the next ones. `best`: epoch and selection of the weights in `kept`."""

    epoch: int = 0
    step: int = 0
    best: tuple[int, float] = (-1, -math.inf)
    kept: dict[str, Tensor] = field(default_factory=dict)


def state_of(module: nn.Module) -> dict[str, Tensor]:
    """What training changes: trained parameters and buffers, copied. Frozen layers are left out."""
    frozen = {name for name, each in module.named_parameters() if not each.requires_grad}
    state = module.state_dict().items()
    return {name: each.detach().clone() for name, each in state if name not in frozen}


def write_checkpoint(
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average,
    position: Position,
    stage: Stage,
) -> None:
    """Replaces the one of the epoch before."""
    counts = [position.epoch, position.step, *position.best, average.seen]
    tensors = {"position": torch.tensor(counts, dtype=torch.float64)}
    tensors |= {f"module.{name}": each for name, each in state_of(module).items()}
    tensors |= {f"kept.{name}": each for name, each in position.kept.items()}
    tensors |= {f"average.{name}": each for name, each in average.mean.items()}
    for index, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": each for name, each in slots.items()}
    stage.save(NAME, tensors)


def resume(
    module: nn.Module, optimiser: torch.optim.Optimizer, average: Average, stage: Stage
) -> Position:
    """Put everything as the checkpoint left it; the beginning where there is none."""
    if not (stage.folder / f"{NAME}.safetensors").exists():
        return Position()
    tensors = stage.load(NAME)
    epoch, step, best_epoch, best, seen = tensors["position"].tolist()
    module.load_state_dict(_part(tensors, "module"), strict=False)
    average.mean.update(_part(tensors, "average"))
    average.seen = int(seen)
    _load_optimiser(optimiser, _part(tensors, "optimiser"))
    return Position(int(epoch), int(step), (int(best_epoch), best), _part(tensors, "kept"))


def _load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name[len(start) :]: each for name, each in tensors.items() if name.startswith(start)}
