import math

import pytest
import torch
from torch import Tensor

from model.masking import (
    Layout,
    Reconstructor,
    Total,
    hide_concepts,
    layout_of,
    reconstruction_loss,
)
from model.schema import Column, Schema
from tests.networks import SMALL, classifier, prepared_rows, small_config

NAN = float("nan")
LAYOUT = layout_of(
    Schema(
        (
            Column("age", "numeric", "age"),
            Column("systolic", "numeric", "pressure"),
            Column("flag", "binary", "flag"),
            Column("diastolic", "numeric", "pressure"),
            Column("ward", "categorical", "ward", ("a", "b")),
        )
    )
)
# Squared errors 4 | 1 and 9 | ln 2 | ln 3; the two pressures are one concept of mean 5.
TRUTH = [1.0, 0.0, 1.0, 2.0, 1.0]
GUESS = [3.0, 1.0, 0.0, 5.0, 0.0, 0.0, 0.0]
AGE, SYSTOLIC, FLAG, DIASTOLIC, WARD = range(5)
ALL = (AGE, SYSTOLIC, FLAG, DIASTOLIC, WARD)
LN_2, LN_3 = 0.6931472, 1.0986123


def loss_of(
    hidden: tuple[int, ...], missing: tuple[int, ...] = (), guess: list[float] | None = None
) -> tuple[Total, list[float]]:
    """The loss of one row, and its gradient on the seven outputs."""
    output = torch.tensor([guess or GUESS], requires_grad=True)
    truth = torch.tensor([TRUTH])
    truth[:, list(missing)] = NAN
    mask = torch.zeros(1, 5, dtype=torch.bool)
    mask[:, list(hidden)] = True
    total = reconstruction_loss(output, truth, mask, LAYOUT)
    torch.autograd.backward(total.sum)
    assert output.grad is not None
    return total, output.grad[0].tolist()


@pytest.mark.parametrize(
    ("hidden", "missing", "expected", "concepts"),
    [
        (ALL, (), 4.0 + 5.0 + LN_2 + LN_3, 4),
        ((AGE,), (), 4.0, 1),
        ((FLAG,), (), LN_2, 1),
        ((WARD,), (), LN_3, 1),
        ((SYSTOLIC, DIASTOLIC), (), 5.0, 1),
        ((SYSTOLIC, DIASTOLIC), (DIASTOLIC,), 1.0, 1),
        ((SYSTOLIC, DIASTOLIC), (SYSTOLIC,), 9.0, 1),
        ((SYSTOLIC, DIASTOLIC), (SYSTOLIC, DIASTOLIC), 0.0, 0),
        ((AGE, FLAG), (AGE,), LN_2, 1),
        ((WARD, FLAG), (WARD, FLAG), 0.0, 0),
        ((), (), 0.0, 0),
        ((), (AGE, WARD), 0.0, 0),
    ],
    ids=str,
)
def test_only_hidden_and_observed_cells_count_by_concept(
    hidden: tuple[int, ...], missing: tuple[int, ...], expected: float, concepts: int
) -> None:
    total, _ = loss_of(hidden, missing)
    assert total.sum.item() == pytest.approx(expected, abs=1e-6)
    assert total.count.item() == concepts


@pytest.mark.parametrize(
    ("hidden", "missing", "gradient"),
    [
        ((AGE,), (), [4.0, 0, 0, 0, 0, 0, 0]),
        ((AGE,), (AGE,), [0.0] * 7),
        ((), (), [0.0] * 7),
        ((FLAG,), (), [0, 0, -0.5, 0, 0, 0, 0]),
        ((WARD,), (), [0, 0, 0, 0, 1 / 3, -2 / 3, 1 / 3]),
        ((WARD,), (WARD,), [0.0] * 7),
        ((SYSTOLIC, DIASTOLIC), (), [0, 1.0, 0, 3.0, 0, 0, 0]),
        ((SYSTOLIC, DIASTOLIC), (DIASTOLIC,), [0, 2.0, 0, 0, 0, 0, 0]),
    ],
    ids=str,
)
def test_only_hidden_and_observed_cells_are_learned_from(
    hidden: tuple[int, ...], missing: tuple[int, ...], gradient: list[float]
) -> None:
    assert loss_of(hidden, missing)[1] == pytest.approx(gradient, abs=1e-6)


def test_what_is_guessed_of_other_cells_changes_nothing() -> None:
    one, _ = loss_of((AGE, DIASTOLIC), (DIASTOLIC,))
    elsewhere = [GUESS[0], 50.0, -50.0, 50.0, 9.0, -9.0, 3.0]
    other, _ = loss_of((AGE, DIASTOLIC), (DIASTOLIC,), elsewhere)
    assert torch.equal(one.sum, other.sum)


def test_a_concept_of_many_columns_weighs_as_one_of_one() -> None:
    columns = [Column(f"score_{i}", "numeric", "score") for i in range(6)]
    layout = layout_of(Schema((Column("age", "numeric", "age"), *columns)))
    output, truth = torch.zeros(1, 7), torch.full((1, 7), 3.0)
    total = reconstruction_loss(output, truth, torch.ones(1, 7, dtype=torch.bool), layout)
    assert (total.sum.item(), total.count.item()) == (9.0 + 9.0, 2)


def test_parts_of_a_batch_add_up_to_the_whole() -> None:
    layout, generator = layout_of(SMALL), torch.Generator().manual_seed(0)
    truth = prepared_rows(20).double()
    output = torch.randn(20, layout.targets, generator=generator).double()
    hidden = hide_concepts(20, layout, 0.5, generator)
    whole = reconstruction_loss(output, truth, hidden, layout)
    parts = [
        reconstruction_loss(output[rows], truth[rows], hidden[rows], layout)
        for rows in torch.split(torch.arange(20), [3, 1, 16])
    ]
    assert sum(part.count.item() for part in parts) == whole.count.item() > 20
    assert math.isclose(sum(part.sum.item() for part in parts), whole.sum.item(), rel_tol=1e-12)


def test_outputs_lie_side_by_side() -> None:
    assert LAYOUT.spans == ((0, 1), (1, 1), (2, 1), (3, 1), (4, 3))
    assert LAYOUT.concept_of == (0, 1, 2, 1, 3)
    assert LAYOUT.targets == 7


# Hiding


def hidden_rows(ratio: float, layout: Layout = LAYOUT, rows: int = 4000, seed: int = 0) -> Tensor:
    return hide_concepts(rows, layout, ratio, torch.Generator().manual_seed(seed))


def test_a_whole_concept_is_hidden_at_once() -> None:
    hidden = hidden_rows(0.5)
    assert torch.equal(hidden[:, SYSTOLIC], hidden[:, DIASTOLIC])
    for one, other in ((AGE, SYSTOLIC), (AGE, FLAG), (FLAG, WARD), (SYSTOLIC, WARD)):
        assert 0.4 < (hidden[:, one] == hidden[:, other]).float().mean() < 0.6


@pytest.mark.parametrize("ratio", [0.0, 0.2, 0.7, 1.0])
def test_the_ratio_is_of_concepts_not_of_columns(ratio: float) -> None:
    shares = hidden_rows(ratio).float().mean(0)
    assert shares.tolist() == pytest.approx([ratio] * 5, abs=0.03)


def test_the_same_seed_hides_the_same() -> None:
    assert torch.equal(hidden_rows(0.5), hidden_rows(0.5))
    assert not torch.equal(hidden_rows(0.5), hidden_rows(0.5, seed=1))


# The whole of stage 1


def reconstructor() -> Reconstructor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Reconstructor(classifier(small_config()).encoder, SMALL, small_config()).train()


def learned(prepared: Tensor, hidden: Tensor) -> tuple[Total, list[Tensor]]:
    trained = reconstructor()
    total = trained(prepared, hidden)
    total.sum.backward()
    return total, [each.grad for each in trained.parameters() if each.grad is not None]


def test_hiding_what_is_missing_anyway_changes_no_weight() -> None:
    prepared = prepared_rows()
    hidden = hide_concepts(20, layout_of(SMALL), 0.5, torch.Generator().manual_seed(1))
    assert (hidden & prepared.isnan()).any()
    one, gradients = learned(prepared, hidden)
    other, same = learned(prepared, hidden & ~prepared.isnan())
    assert torch.equal(one.sum, other.sum)
    assert one.count == other.count
    assert len(gradients) > 20
    assert all(torch.equal(a, b) for a, b in zip(gradients, same, strict=True))


def test_what_is_hidden_cannot_be_seen() -> None:
    trained, prepared = reconstructor().eval(), prepared_rows()
    hidden = hide_concepts(20, layout_of(SMALL), 0.5, torch.Generator().manual_seed(1))
    seen: list[Tensor] = []
    trained.encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    numbers = torch.tensor([column.kind == "numeric" for column in SMALL])
    trained(prepared, hidden)
    trained(torch.where(hidden & numbers, prepared + 1, prepared), hidden)
    assert torch.equal(seen[0].isnan(), hidden | prepared.isnan())
    assert torch.equal(seen[0].nan_to_num(99.0), seen[1].nan_to_num(99.0))


def test_targets_are_inputs_and_never_the_embedding() -> None:
    trained, prepared = reconstructor(), prepared_rows()
    everything = torch.ones_like(prepared, dtype=torch.bool)
    trained(prepared, everything).sum.backward()
    embed = trained.encoder.embed
    assert embed.mask.grad is not None
    assert embed.mask.grad.any()
    for parameter in (embed.weight, embed.levels):  # nothing was seen, so nothing is learned
        assert parameter.grad is not None
        assert not parameter.grad.any()
