import math

import pytest
import torch
from torch import Tensor

from model.contrastive import LogitScale, ProjectionHead, info_nce, retrieval_at_1

# exp(logits) is [[2, 1, 1], [3, 4, 1], [1, 1, 6]]. Shares of the diagonal by row: 2/4, 4/8, 6/8;
# by column: 2/6, 4/6, 6/8. Half of (ln 16/3 + ln 6) / 3 is ln 32 / 6 = 0.5776227.
ODDS = [[2.0, 1.0, 1.0], [3.0, 4.0, 1.0], [1.0, 1.0, 6.0]]
EXPECTED = 0.5776227
RECORDS = torch.eye(3)
TEXTS = torch.tensor(ODDS).log().T
ONE = torch.tensor(1.0)


def test_the_loss_of_three_pairs_by_hand() -> None:
    assert info_nce(RECORDS, TEXTS, ONE).item() == pytest.approx(EXPECTED, abs=1e-6)


def test_the_loss_is_the_same_from_either_side() -> None:
    assert info_nce(TEXTS, RECORDS, ONE).item() == pytest.approx(EXPECTED, abs=1e-6)


def test_the_scale_multiplies_the_similarity() -> None:
    halved = info_nce(RECORDS, TEXTS / 2, torch.tensor(2.0))
    assert halved.item() == pytest.approx(EXPECTED, abs=1e-6)


@pytest.mark.parametrize("order", [[1, 2, 0], [2, 1, 0], [0, 2, 1]], ids=str)
def test_the_order_of_pairs_does_not_matter(order: list[int]) -> None:
    assert info_nce(RECORDS[order], TEXTS[order], ONE).item() == pytest.approx(EXPECTED, abs=1e-6)


@pytest.mark.parametrize("order", [[1, 2, 0], [2, 0, 1]], ids=str)
def test_who_belongs_to_whom_does_matter(order: list[int]) -> None:
    assert info_nce(RECORDS, TEXTS[order], ONE).item() > EXPECTED + 0.3


def test_where_nothing_tells_pairs_apart_the_loss_is_that_of_guessing() -> None:
    same = torch.ones(3, 4) / 2
    assert info_nce(same, same, torch.tensor(14.0)).item() == pytest.approx(1.0986123, abs=1e-6)


def test_the_gradient_draws_pairs_together_and_others_apart() -> None:
    texts = TEXTS.clone().requires_grad_(True)
    torch.autograd.backward(info_nce(RECORDS, texts, ONE))
    assert texts.grad is not None
    # (share by row - 1 + share by column - 1) / 6 on the diagonal, sums elsewhere
    by_hand = [
        [(1 / 2 + 1 / 3 - 2) / 6, (1 / 4 + 1 / 6) / 6, (1 / 4 + 1 / 8) / 6],
        [(3 / 8 + 1 / 2) / 6, (1 / 2 + 2 / 3 - 2) / 6, (1 / 8 + 1 / 8) / 6],
        [(1 / 8 + 1 / 6) / 6, (1 / 8 + 1 / 6) / 6, (3 / 4 + 3 / 4 - 2) / 6],
    ]
    assert torch.allclose(texts.grad.T, torch.tensor(by_hand), atol=1e-6)


def test_the_scale_starts_as_in_clip_and_never_passes_a_hundred() -> None:
    scale = LogitScale()
    assert scale().item() == pytest.approx(1 / 0.07, rel=1e-5)
    scale.log_scale.data.fill_(math.log(250.0))
    assert scale().item() == pytest.approx(100.0, rel=1e-5)


def test_the_scale_is_learned() -> None:
    scale = LogitScale()
    torch.autograd.backward(info_nce(RECORDS, TEXTS / 10, scale()))
    assert scale.log_scale.grad is not None
    assert scale.log_scale.grad.item() != 0.0


def test_projections_are_directions() -> None:
    head = ProjectionHead(6, output=5)
    found = head(torch.randn(9, 6, generator=torch.Generator().manual_seed(0)))
    assert found.shape == (9, 5)
    assert torch.allclose(found.norm(dim=1), torch.ones(9), atol=1e-6)
    assert ProjectionHead(6)(torch.ones(1, 6)).shape == (1, 128)


@pytest.mark.parametrize(
    ("texts", "share"),
    [(RECORDS, 1.0), (RECORDS[[1, 0, 2]], 1 / 3), (RECORDS[[1, 2, 0]], 0.0)],
    ids=["all", "one in three", "none"],
)
def test_retrieval_is_the_share_whose_nearest_text_is_their_own(
    texts: Tensor, share: float
) -> None:
    assert retrieval_at_1(RECORDS, texts) == pytest.approx(share)
