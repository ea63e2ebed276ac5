"""The loop's parts by hand: rate, average, best epoch, patience, clipping, decay."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.training.small_runs import quiet, rows_of
from training.fitting.averaging import Average
from training.fitting.world import ALONE
from training.loop import _optimiser, _schedule, fit
from training.runs import Stage
from training.settings import Fit


class Scripted:
    """One weight that falls by the rate at each step; a selection metric that was written down."""

    def __init__(self, metrics: Sequence[float], steps: int = 1, gradient: float = 1.0) -> None:
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        self._metrics, self._steps, self._gradient = iter(metrics), steps, gradient
        self.shown: list[float] = []
        self.seen: list[float] = []

    def batches(self, generator: torch.Generator) -> Sequence[Tensor]:
        return [torch.arange(1)] * self._steps

    def backward(self, rows: Tensor, generator: torch.Generator) -> float:
        self.seen.append(self.module.weight.item())
        self.module.weight.grad = torch.full((1, 1), self._gradient)
        return 0.0

    def evaluate(self) -> dict[str, float]:
        self.shown.append(self.module.weight.item())
        return {"selection": next(self._metrics)}


def fitted(
    folder: Path, metrics: Sequence[float], steps: int = 1, **settings: float
) -> tuple[Scripted, float]:
    """The objective, and the weight that is left."""
    given = {"epochs": len(metrics), "batch": 2, "learning_rate": 0.1, "weight_decay": 0.0}
    folder.mkdir(exist_ok=True)
    objective = Scripted(metrics, steps)
    told = Fit(**given | settings)  # type: ignore[arg-type]
    fit(objective, told, Stage(folder, "it"), seed=1, progress=quiet, world=ALONE)
    return objective, objective.module.weight.item()


@pytest.mark.parametrize(
    ("step", "share"),
    [(0, 0.25), (1, 0.5), (3, 1.0), (4, 1.0), (12, 0.5), (20, 0.0)],
)
def test_the_rate_rises_in_a_line_and_falls_in_half_a_cosine(step: int, share: float) -> None:
    assert _schedule(step, 20, 0.2) == pytest.approx(share, abs=1e-12)


def test_a_schedule_of_one_step_and_no_warm_up_has_a_rate() -> None:
    assert _schedule(0, 1, 0.0) == 1.0
    assert _schedule(0, 1, 1.0) == 1.0


def test_what_is_left_are_the_weights_of_the_best_epoch(tmp_path: Path) -> None:
    objective, left = fitted(tmp_path, [1.0, 3.0, 2.0, 3.0])
    assert left == objective.shown[1]  # the first of two that are as good
    assert len({*objective.shown}) == 4
    assert [row["epoch"] for row in rows_of(Stage(tmp_path, "it"))] == [0, 1, 2, 3]


@pytest.mark.parametrize(("patience", "epochs"), [(0, 6), (1, 3), (2, 4), (5, 6)])
def test_patience_counts_epochs_without_a_better_one(
    patience: int, epochs: int, tmp_path: Path
) -> None:
    objective, _ = fitted(tmp_path, [1.0, 2.0, 1.0, 1.0, 1.0, 1.0], patience=patience)
    assert len(objective.shown) == epochs


def test_a_run_that_stopped_early_stays_stopped(tmp_path: Path) -> None:
    fitted(tmp_path, [1.0, 2.0, 1.0, 9.0], patience=1)
    again, left = fitted(tmp_path, [9.0] * 4, patience=1)
    assert again.shown == []
    assert left != 0.0


def test_the_average_is_what_is_evaluated_and_kept(tmp_path: Path) -> None:
    plain, _ = fitted(tmp_path / "plain", [1.0, 2.0, 3.0], steps=4)
    averaged, left = fitted(tmp_path / "averaged", [1.0, 2.0, 3.0], steps=4, average=0.9)
    assert left == averaged.shown[-1]
    assert averaged.seen == plain.seen  # the weights that are trained go their own way
    assert all(mean > live for mean, live in zip(averaged.shown, plain.shown, strict=True))


def test_an_average_by_hand() -> None:
    module = nn.Linear(1, 1)
    module.bias.requires_grad_(False)
    nn.init.constant_(module.weight, 0.0)
    average = Average(module, 0.9)
    assert set(average.mean) == {"weight"}
    expected = 0.0
    for step, value in enumerate((1.0, 2.0, 4.0), start=1):
        module.weight.data.fill_(value)
        average.update()
        decay = step / (step + 9.0)  # 0.1, 2/11, 0.25: below 0.9 until the 81st step
        expected = decay * expected + (1 - decay) * value
        assert float(average.mean["weight"]) == pytest.approx(expected)
    with average.shown():
        assert float(module.weight.detach()) == pytest.approx(expected)
    assert float(module.weight.detach()) == 4.0


def test_without_a_decay_nothing_is_averaged() -> None:
    module = nn.Linear(1, 1)
    average = Average(module, 0.0)
    average.update()
    assert average.mean == {}
    with average.shown():
        assert module.weight.requires_grad


def test_only_matrices_decay_and_frozen_weights_have_no_place() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    module[2].requires_grad_(False)
    optimiser = _optimiser(module, Fit(epochs=1, batch=2, learning_rate=0.1, weight_decay=0.3))
    decays = {
        id(each): group["weight_decay"]
        for group in optimiser.param_groups
        for each in group["params"]
    }
    matrix, bias = module[0].weight, module[0].bias
    assert decays == {
        id(matrix): 0.3, id(bias): 0.0, id(module[1].weight): 0.0, id(module[1].bias): 0.0
    }  # fmt: skip
