"""Each stage can learn a batch by heart: what it minimises is what it is told to."""

from itertools import combinations

import pytest
import torch
from torch import nn

from tests.networks import small_config
from tests.training.small_objectives import (
    ROWS,
    classification,
    contrast,
    corpus,
    reconstruction,
    towers,
)
from tests.training.small_runs import WORDS, seeded
from training.loop import Objective


def pairs_of_words() -> list[tuple[str, str]]:
    return list(combinations(WORDS, 2))[:ROWS]


def without_dropout(module: nn.Module) -> None:
    for each in module.modules():
        if isinstance(each, nn.Dropout):
            each.p = 0.0


def losses(objective: Objective, steps: int, rate: float = 0.02) -> list[float]:
    """On one batch, with the same masks at every step."""
    trained = [each for each in objective.module.parameters() if each.requires_grad]
    optimiser = torch.optim.Adam(trained, lr=rate)
    objective.module.train()
    torch.manual_seed(4)  # dropout draws from the global generator, whatever ran before
    found = []
    for _ in range(steps):
        optimiser.zero_grad()
        found.append(objective.backward(torch.arange(ROWS), seeded(3)))
        optimiser.step()
    return found


def test_masked_reconstruction_learns_one_batch_by_heart() -> None:
    found = losses(reconstruction(), 120)
    assert found[-1] < 0.1 * found[0]


@pytest.mark.slow
def test_alignment_learns_one_batch_by_heart() -> None:
    objective = contrast(towers(), corpus([" ".join(words) for words in pairs_of_words()]))
    found = losses(objective, 80, 0.003)
    assert found[-1] < 0.1 * found[0]


def test_finetuning_learns_one_batch_by_heart() -> None:
    objective = classification()
    without_dropout(objective.module)
    found = losses(objective, 100)
    assert found[-1] < 0.1 * found[0]


def test_an_auxiliary_label_is_learnt_beside_the_first_and_skipped_where_unknown() -> None:
    objective = classification(outputs=2, auxiliary="other", auxiliary_weight=1.0)
    without_dropout(objective.module)
    objective._train[1][::2, 1] = torch.nan
    found = losses(objective, 100)
    assert found[-1] < 0.1 * found[0]


def test_what_is_learnt_is_told_apart_by_the_selection_metric() -> None:
    config = small_config(bins=4, embedding=3, output=12, momentum=0.9)  # statistics of now
    objective = classification(config)
    before = objective.evaluate()
    losses(objective, 40)
    after = objective.evaluate()
    assert after["selection"] == -after["tuning_loss"]
    assert after["selection"] > before["selection"]
    assert after["tuning_auroc"] > before["tuning_auroc"]
