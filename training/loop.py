"""fit(): the one training loop. A stage is an objective and its settings, nothing else.

Runs are functions of their seeds: order, masks and dropout of an epoch depend on seed and epoch
alone, so a run that was killed continues to the same weights as one that was not.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from training.errors import DivergedError
from training.fitting.averaging import Average
from training.fitting.batches import generator_for
from training.fitting.checkpoints import Position, resume, state_of, write_checkpoint
from training.fitting.world import World
from training.runs import Stage, derived_seed
from training.settings import Fit
from training.subjects import Progress


class Objective(Protocol):
    """What a stage minimises."""

    @property
    def module(self) -> nn.Module:
        """All that is trained and saved."""
        ...

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        """Row indices of one epoch."""
        ...

    def backward(self, rows: Tensor, generator: torch.Generator) -> float:
        """Add this process's gradients of the batch's loss; return the loss of the whole batch."""
        ...

    def evaluate(self) -> dict[str, float]:
        """On tuning's selection slice; `selection` is the one that is to be large."""
        ...


@dataclass(frozen=True)
class Fitting:
    """What every epoch of one fit needs."""

    objective: Objective
    settings: Fit
    optimiser: torch.optim.AdamW
    average: Average
    seed: int
    world: World


def fit(
    objective: Objective,
    settings: Fit,
    stage: Stage,
    *,
    seed: int,
    progress: Progress,
    world: World,
) -> None:
    """Train to the end, or resume; the module is left with the weights of tuning's best epoch.

    Raises DivergedError where a loss stops being a number; the last checkpoint is still there.
    """
    optimiser = _optimiser(objective.module, settings)
    average = Average(objective.module, settings.average)
    fitting = Fitting(objective, settings, optimiser, average, seed, world)
    position = resume(objective.module, optimiser, average, stage)
    if world.first:
        stage.restart_log(position.epoch)
    while position.epoch < settings.epochs and not _stale(position, settings):
        progress(stage.name, position.epoch, settings.epochs)
        loss = _epoch(fitting, position)
        with average.shown():
            metrics = objective.evaluate()
            if not math.isfinite(metrics["selection"]):
                raise _diverged(position)
            _keep_best(objective.module, position, metrics["selection"])
        position.epoch += 1
        if world.first:
            stage.log({"epoch": position.epoch - 1, "loss": loss, **metrics})
            write_checkpoint(objective.module, optimiser, average, position, stage)
        world.barrier()
    progress(stage.name, settings.epochs, settings.epochs)
    objective.module.load_state_dict(position.kept, strict=False)


def _optimiser(module: nn.Module, settings: Fit) -> torch.optim.AdamW:
    """Weight decay for matrices only: norms, biases and the scale are left alone."""
    trained = [each for each in module.parameters() if each.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [each for each in trained if each.ndim > 1]},
        {"params": [each for each in trained if each.ndim <= 1], "weight_decay": 0.0},
    ]
    rate, decay = settings.learning_rate, settings.weight_decay
    return torch.optim.AdamW(groups, lr=rate, weight_decay=decay, betas=(0.9, 0.99))


def _epoch(fitting: Fitting, position: Position) -> float:
    """One pass; the mean loss."""
    objective, settings = fitting.objective, fitting.settings
    torch.manual_seed(derived_seed(fitting.seed, "dropout", position.epoch, fitting.world.rank))
    generator = generator_for(fitting.seed, "epoch", position.epoch)
    objective.module.train()
    batches = objective.batches(generator)
    losses = []
    for rows in batches:
        share = _schedule(position.step, len(batches) * settings.epochs, settings.warm_up)
        losses.append(_step(fitting, rows, generator, settings.learning_rate * share))
        position.step += 1
    objective.module.eval()
    loss = sum(losses) / max(len(losses), 1)
    if not math.isfinite(loss):
        raise _diverged(position)
    return loss


def _step(fitting: Fitting, rows: Tensor, generator: torch.Generator, rate: float) -> float:
    module = fitting.objective.module
    for group in fitting.optimiser.param_groups:
        group["lr"] = rate
    fitting.optimiser.zero_grad()
    with fitting.world.shared_statistics(module):
        loss = fitting.objective.backward(rows, generator)
    fitting.world.sum_gradients(module.parameters())
    nn.utils.clip_grad_norm_(module.parameters(), fitting.settings.clip)
    fitting.optimiser.step()
    fitting.average.update()
    return loss


def _schedule(step: int, steps: int, warm_up: float) -> float:
    """Linear up to 1, then a half cosine down to 0."""
    rising = max(1, round(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1.0 + math.cos(math.pi * (step - rising) / max(1, steps - rising)))


def _diverged(position: Position) -> DivergedError:
    return DivergedError(
        f"epoch {position.epoch}",
        "the loss is no longer a number",
        "Lower learning_rate or raise warm_up in a new run folder, or look for extreme values in "
        "the cohort; this run can still resume from its last whole epoch",
    )


def _keep_best(module: nn.Module, position: Position, selection: float) -> None:
    if not position.kept or selection > position.best[1]:
        position.best = (position.epoch, selection)
        position.kept = state_of(module)


def _stale(position: Position, settings: Fit) -> bool:
    return bool(settings.patience) and position.epoch - 1 - position.best[0] >= settings.patience
