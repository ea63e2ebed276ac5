from dataclasses import replace
from typing import cast

import numpy
import pytest
import torch
from torch import Tensor

from model.attribution import Attribution, attribute, by_concept
from model.folded import FoldedNetwork
from tests.brute_force import by_brute_force
from tests.networks import SMALL, ensemble, prepared_rows, small_config

NAN = float("nan")
CONCEPTS = [column.concept for column in SMALL]
REFERENCE = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]])


@pytest.fixture(scope="module")
def network() -> FoldedNetwork:
    return ensemble(small_config(bins=8), members=3).folded()


def mean_logit(network: FoldedNetwork, row: Tensor) -> float:
    with torch.inference_mode():
        return float(network.logits(row).double().mean())


def moved(network: FoldedNetwork, row: Tensor, reference: Tensor = REFERENCE) -> float:
    return mean_logit(network, row) - mean_logit(network, reference)


def attributed(network: FoldedNetwork, row: Tensor) -> dict[str, float]:
    found = attribute(network, row, REFERENCE).by_column
    return by_concept([float(each) for each in found], CONCEPTS)


def altered(**cells: float) -> Tensor:
    row = REFERENCE.clone()
    for name, cell in cells.items():
        row[0, SMALL.names.index(name)] = cell
    return row


@pytest.mark.parametrize("index", range(12))
def test_contributions_add_up_to_the_distance_from_the_reference(
    network: FoldedNetwork, index: int
) -> None:
    row = prepared_rows(12)[index : index + 1]
    found = attribute(network, row, REFERENCE)
    distance = moved(network, row)
    assert abs(distance) > 1e-3  # or this would show nothing
    assert found.by_column.sum() + found.rest == pytest.approx(distance, abs=1e-5)
    assert abs(found.rest) < 1e-3
    summed = sum(by_concept(list(found.by_column), CONCEPTS).values())
    assert summed + found.rest == pytest.approx(distance, abs=1e-5)


def test_the_reference_itself_has_nothing_to_explain(network: FoldedNetwork) -> None:
    found = attribute(network, REFERENCE, REFERENCE)
    assert not found.by_column.any()
    assert abs(found.rest) < 1e-6  # equal rows of one batch may differ in their last bit


@pytest.mark.parametrize("name", SMALL.names)
def test_a_missing_input_goes_from_the_reference_to_the_mask(
    network: FoldedNetwork, name: str
) -> None:
    row = altered(**{name: NAN})
    amounts = attributed(network, row)
    concept = CONCEPTS[SMALL.names.index(name)]
    assert {other for other, amount in amounts.items() if amount != 0.0} <= {concept}
    assert amounts[concept] == pytest.approx(moved(network, row), abs=1e-3)
    with torch.inference_mode():
        end = network.embed(row)[:, 0].reshape(3, -1, 2)[:, SMALL.names.index(name)]
        assert torch.equal(end, network.embed.mask[:, SMALL.names.index(name)])


@pytest.mark.parametrize("name", SMALL.names)
def test_what_is_as_in_the_reference_moves_nothing(network: FoldedNetwork, name: str) -> None:
    index = SMALL.names.index(name)
    row = prepared_rows(1, seed=8)
    row[0, index] = REFERENCE[0, index]
    assert attribute(network, row, REFERENCE).by_column[index] == 0.0


def test_missing_in_both_moves_nothing(network: FoldedNetwork) -> None:
    reference, row = altered(age=NAN), altered(age=NAN, systolic=2.0)
    found = attribute(network, row, reference)
    assert found.by_column[0] == 0.0
    assert found.by_column.sum() == pytest.approx(moved(network, row, reference), abs=1e-3)


class AsItIs:
    """Stands where a network has its embedding: two members, two inputs, one wide."""

    mask = torch.zeros(2, 2, 1)

    def __call__(self, prepared: Tensor) -> Tensor:
        return prepared.expand(2, *prepared.shape)


class Product:
    """Two members: the product of two inputs, and twice the second."""

    embed = AsItIs()

    def from_embedded(self, embedded: Tensor) -> Tensor:
        return torch.stack((embedded[0].prod(-1), 2.0 * embedded[1, :, 1]))


def test_a_product_by_hand() -> None:
    # From (1, 1) to (3, 2): x moves by 2 at a mean y of 1.5, y by 1 at a mean x of 2, and the
    # other member by 2 through y alone. The mean of both members: 1.5 and (2 + 2) / 2.
    found = attribute(
        cast("FoldedNetwork", Product()), torch.tensor([[3.0, 2.0]]), torch.tensor([[1.0, 1.0]])
    )
    assert found.by_column.tolist() == pytest.approx([1.5, 2.0], abs=1e-6)
    assert found.rest == pytest.approx(0.0, abs=1e-6)


class Kinked:
    """One member, two inputs: the second counts once the first is past 0.3 of its way from 0 to 1."""

    def __init__(self) -> None:
        self.embed = AsItIs()
        self.walked: list[Tensor] = []

    def from_embedded(self, embedded: Tensor) -> Tensor:
        self.walked.append(embedded.detach()[0, :, 0])
        first, second = embedded.unbind(-1)
        return first + 8.0 * (second - 0.3).clamp_min(0.0)


def test_a_kink_is_found_where_it_is_and_points_are_put_around_it() -> None:
    # Both inputs go from 0 to 1: the first moves the logit by 1, the second by 8 * 0.7.
    kinked = Kinked()
    row, reference = torch.tensor([[1.0, 1.0]]), torch.tensor([[0.0, 0.0]])
    found = attribute(cast("FoldedNetwork", kinked), row, reference, tolerance=1e-6)
    assert found.by_column.tolist() == pytest.approx([1.0, 5.6], abs=1e-5)
    even, *finer = kinked.walked
    assert even.tolist() == pytest.approx([step / 63 for step in range(64)])
    assert finer  # the bend was too large for the tolerance
    assert any(abs(float(each) - 0.3) < 1 / 126 for each in finer[0])


@pytest.mark.parametrize("index", range(12))
def test_each_column_is_what_four_thousand_slopes_say(network: FoldedNetwork, index: int) -> None:
    row = prepared_rows(12)[index : index + 1]
    found = attribute(network, row, REFERENCE)
    assert found.by_column == pytest.approx(
        by_brute_force(network, row, REFERENCE).numpy(), abs=1e-3
    )


def test_what_the_most_points_leave_is_said(
    monkeypatch: pytest.MonkeyPatch, network: FoldedNetwork
) -> None:
    row = prepared_rows(12)[3:4]
    fine = attribute(network, row, REFERENCE)
    monkeypatch.setattr("model.attribution._FIRST", 2)
    monkeypatch.setattr("model.attribution._MOST", 2)
    coarse: Attribution = attribute(network, row, REFERENCE)
    assert abs(coarse.by_column - fine.by_column).max() > 1e-3
    assert coarse.by_column.sum() + coarse.rest == pytest.approx(moved(network, row), abs=1e-5)


def test_concepts_are_summed_in_the_order_of_their_first_column() -> None:
    summed = by_concept([1.0, 2.0, 4.0, 8.0], ["a", "b", "a", "c"])
    assert list(summed.items()) == [("a", 5.0), ("b", 2.0), ("c", 8.0)]


def test_members_are_explained_as_they_are_averaged() -> None:
    made, row = ensemble(), prepared_rows(1)
    both = attribute(made.folded(), row, REFERENCE).by_column
    alone = [
        attribute(replace(made, members=(member,)).folded(), row, REFERENCE).by_column
        for member in made.members
    ]
    assert both == pytest.approx(numpy.mean(alone, axis=0), abs=1e-3)
