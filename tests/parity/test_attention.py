"""The attention that the page shows is pytorch_tabnet's own, on the same weights."""

from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cds_service.assessment import Assessor
from fhir_mapping.catalogue import CATALOGUE
from model import load_bundle, scorer_for
from model.attention import Attention, attention
from model.classifier import Classifier
from model.folded import FoldedNetwork, fold
from model.shape import TabNetConfig
from model.tabnet import TabNetEncoder
from model.trained import WEIGHTS, TrainedModel
from tests.networks import SMALL, classifier, prepared_rows, small_config
from tests.service.answering import assessment_of
from tests.service.requests import EXAMPLES, example, now

DEMO = Path(__file__).resolve().parents[2] / "bundles" / "demo"
SHAPES = [
    small_config(),
    small_config(bins=0, embedding=1, n_steps=3),
    small_config(attention="concept"),
    small_config(bins=8, embedding=4, attention="concept", output=9, n_steps=4),
]


def folded(config: TabNetConfig, members: list[Classifier]) -> FoldedNetwork:
    return fold(SMALL, config, [each.state_dict() for each in members])


def librarys(members: list[Classifier], row: Tensor) -> Tensor:
    """pytorch_tabnet's forward_masks, a column's embedded parts together, averaged over members."""
    with torch.inference_mode():
        return torch.stack([each.encoder.attention(row)[0] for each in members]).mean(0)


def by_column(found: Attention | None) -> list[float]:
    assert found is not None
    return list(found.by_column.values())


@pytest.mark.parametrize("config", SHAPES, ids=range(len(SHAPES)))
def test_attention_by_column_is_the_librarys(config: TabNetConfig) -> None:
    members = [classifier(config, seed).double() for seed in (3, 4)]
    network, shares = folded(config, members), []
    for row in prepared_rows(15).double().split(1):
        found = by_column(attention(network, row, SMALL))
        assert found == pytest.approx(
            librarys(members, row).tolist(), abs=1e-6
        )  # it sums in float32
        shares.append(found)
    assert numpy.std(shares, axis=0).max() > 0.01  # rows do differ, or this would show nothing


@pytest.mark.parametrize("config", SHAPES, ids=range(len(SHAPES)))
def test_each_view_adds_up_to_one(config: TabNetConfig) -> None:
    network = folded(config, [classifier(config, seed) for seed in (3, 4)])
    for row in prepared_rows(15).split(1):
        found = attention(network, row, SMALL)
        assert found is not None
        for view, names in ((found.by_column, SMALL.names), (found.by_concept, SMALL.concepts)):
            assert tuple(view) == names
            assert sum(view.values()) == pytest.approx(1.0)
            assert min(view.values()) >= 0.0


def test_a_weight_of_one_column_counts_the_same_in_both_views() -> None:
    found = attention(folded(SHAPES[0], [classifier(SHAPES[0])]), prepared_rows(1), SMALL)
    assert found is not None
    summed = dict.fromkeys(SMALL.concepts, 0.0)
    for column in SMALL:
        summed[column.concept] += found.by_column[column.name]
    assert found.by_concept == pytest.approx(summed)


def test_a_concept_does_not_grow_by_its_columns() -> None:
    config = SHAPES[2]
    members = [classifier(config)]
    with torch.inference_mode():
        row = prepared_rows(1)
        encoder = members[0].encoder
        masks = encoder.network.forward_masks(encoder.embed(row))[0][0]
    one_each = {
        column.concept: float(masks[index * config.embedding]) for index, column in enumerate(SMALL)
    }
    whole = sum(one_each.values())
    found = attention(folded(config, members), row, SMALL)
    assert found is not None
    expected = {concept: weight / whole for concept, weight in one_each.items()}
    assert found.by_concept == pytest.approx(expected, abs=1e-5)


def test_a_network_that_decides_nothing_attends_to_nothing() -> None:
    member = classifier(SHAPES[0])
    for name, parameter in member.named_parameters():
        if "feat_transformers" in name:
            parameter.data.zero_()
    assert attention(folded(SHAPES[0], [member]), prepared_rows(1), SMALL) is None


@pytest.fixture(scope="module")
def demo() -> TrainedModel:
    model = load_bundle(DEMO, mapping_digest=CATALOGUE.digest).trained
    assert model is not None
    return model


@pytest.fixture(scope="module")
def trained(demo: TrainedModel) -> list[Classifier]:
    """The demo bundle's members, in the modules that were trained."""
    tensors = load_file(DEMO / WEIGHTS)
    members = []
    for number in range(len(demo.network.embed.mask)):
        member = _like(demo, tensors[f"{number}.head.layers.1.bias"])
        prefix = f"{number}."
        own = {
            name[len(prefix) :]: each for name, each in tensors.items() if name.startswith(prefix)
        }
        loaded = member.load_state_dict(own, strict=False)
        assert not loaded.unexpected_keys
        assert all(".shared_layers." in name for name in loaded.missing_keys)  # a second name
        members.append(member.eval())
    return members


def _like(demo: TrainedModel, bias: Tensor) -> Classifier:
    encoder = TabNetEncoder(demo.schema, demo.preprocessing, demo.network.config)
    return Classifier(encoder, hidden=len(bias), dropout=0.0, outputs=1)


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.json")))
def test_the_demonstrations_attention_is_the_librarys(
    demo: TrainedModel, trained: list[Classifier], name: str
) -> None:
    bundle = load_bundle(DEMO)
    scorer = scorer_for(bundle)
    vector = assessment_of(example(name), Assessor(bundle, scorer), now()).vector
    assert vector is not None
    values = [vector[column.name] for column in demo.schema]
    expected = librarys(trained, demo.prepare(demo.encode(values)[None])).tolist()
    assert by_column(scorer.attention(vector.values)) == pytest.approx(expected, abs=1e-5)
