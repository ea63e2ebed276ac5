"""Our encoder and decoder are pytorch_tabnet's, on the same weights, to double precision."""

import pytest
import torch
from pytorch_tabnet import tab_network
from torch import Tensor, nn

from model.shape import TabNetConfig, attention_groups
from model.tabnet import TabNetDecoder, TabNetEncoder
from tests.networks import SMALL, classifier, prepared_rows, small_config

NAN = float("nan")
SHAPES = [
    small_config(),
    small_config(bins=0, embedding=1, n_steps=3),
    small_config(attention="concept"),
    small_config(bins=8, embedding=4, attention="concept", output=9),
]


def ours(config: TabNetConfig) -> TabNetEncoder:
    return classifier(config).encoder.double()


def theirs(config: TabNetConfig, encoder: TabNetEncoder) -> tab_network.TabNetNoEmbeddings:
    library = tab_network.TabNetNoEmbeddings(
        len(SMALL) * config.embedding,
        config.output,
        n_d=config.n_d,
        n_a=config.n_a,
        n_steps=config.n_steps,
        gamma=config.gamma,
        n_independent=config.n_independent,
        n_shared=config.n_shared,
        virtual_batch_size=config.virtual_batch_size,
        momentum=config.momentum,
        group_attention_matrix=attention_groups(SMALL, config).double(),
    ).double()
    library.encoder.load_state_dict(encoder.network.state_dict())
    library.final_mapping.load_state_dict(encoder.widen.state_dict())
    return library


def rows() -> Tensor:
    return prepared_rows(20).double()


def gradients(module: nn.Module) -> dict[str, Tensor]:
    found = {name: each.grad for name, each in module.named_parameters()}
    return {name: grad for name, grad in found.items() if grad is not None}


def close(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.allclose(one, other, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("config", SHAPES, ids=range(len(SHAPES)))
def test_the_encoder_is_the_librarys(config: TabNetConfig, training: bool) -> None:
    encoder = ours(config).train(training)
    library = theirs(config, encoder).train(training)
    library.encoder.initial_bn.eval()
    given = encoder.embed(rows()).detach()
    expected, sparsity = library(given)
    encoded = encoder(rows())
    assert encoded.embedding.dtype == torch.float64
    assert close(encoded.embedding, expected)
    assert close(encoded.sparsity, sparsity)
    assert len(encoded.steps) == config.n_steps


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize("config", SHAPES, ids=range(len(SHAPES)))
def test_the_encoders_gradients_are_the_librarys(config: TabNetConfig, training: bool) -> None:
    encoder = ours(config).train(training)
    library = theirs(config, encoder).train(training)
    library.encoder.initial_bn.eval()
    given = encoder.embed(rows()).detach().requires_grad_(True)
    expected, sparsity = library(given)
    (expected.square().sum() + sparsity).backward()
    embedded = encoder.embed(rows())
    embedded.retain_grad()
    steps, cost = encoder.network(embedded)
    (encoder.widen(torch.stack(steps).sum(0)).square().sum() + cost).backward()
    assert embedded.grad is not None
    assert given.grad is not None
    assert close(embedded.grad, given.grad)
    own = gradients(encoder.network)
    assert own.keys() == gradients(library.encoder).keys()
    assert own
    for name, gradient in gradients(library.encoder).items():
        assert close(own[name], gradient), name
    assert close(gradients(encoder.widen)["weight"], gradients(library.final_mapping)["weight"])


def test_batch_statistics_move_as_the_librarys() -> None:
    config = SHAPES[0]
    encoder = ours(config).train()
    library = theirs(config, encoder).train()
    library.encoder.initial_bn.eval()
    library(encoder.embed(rows()).detach())
    before = {name: each.clone() for name, each in encoder.network.named_buffers()}
    encoder(rows())
    after = dict(encoder.network.named_buffers())
    assert all(close(after[name], each) for name, each in library.encoder.named_buffers())
    moved = {name for name in after if not torch.equal(after[name], before[name])}
    assert moved == {name for name in after if not name.startswith("initial_bn")}


def test_without_widening_the_embedding_is_the_sum_of_steps() -> None:
    encoder = ours(small_config(output=4))
    encoded = encoder(rows())
    assert torch.equal(encoded.embedding, torch.stack(encoded.steps).sum(0))


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_the_decoder_is_the_librarys(training: bool) -> None:
    config = small_config()
    decoder = TabNetDecoder(11, config).double().train(training)
    library = tab_network.TabNetDecoder(
        11,
        n_d=config.n_d,
        n_steps=config.n_steps,
        virtual_batch_size=config.virtual_batch_size,
        momentum=config.momentum,
    ).double()
    library.load_state_dict(decoder.network.state_dict())
    library.train(training)
    steps = [each.detach() for each in ours(config)(rows()).steps]
    one, other = decoder(steps), library(steps)
    assert one.shape == (20, 11)
    assert close(one, other)
    one.square().sum().backward()
    other.square().sum().backward()
    own = gradients(decoder.network)
    assert own.keys() == gradients(library).keys()
    assert all(close(own[name], each) for name, each in gradients(library).items())


@pytest.mark.parametrize("config", SHAPES, ids=range(len(SHAPES)))
def test_attention_is_the_librarys_masks_by_column(config: TabNetConfig) -> None:
    encoder = classifier(config).encoder
    prepared = prepared_rows(20)
    library = theirs(config, encoder).float().eval()
    library.encoder.group_attention_matrix = attention_groups(SMALL, config)
    with torch.no_grad():
        explained, _ = library.forward_masks(encoder.embed(prepared))
        shares = encoder.attention(prepared)
    of_column = explained[:, :: config.embedding]  # one weight for all parts of a column
    decided = of_column.sum(1) > 0.0  # a row in which no step says anything has no attention
    expected = of_column[decided] / of_column[decided].sum(1, keepdim=True)
    assert decided.sum() >= 15
    assert torch.allclose(shares[decided], expected, rtol=0.0, atol=1e-6)
    assert torch.allclose(shares[decided].sum(1), torch.ones(len(expected)))
    assert not shares[~decided].any()


def test_a_concepts_columns_are_attended_to_as_one() -> None:
    with torch.no_grad():
        shares = classifier(small_config(attention="concept")).encoder.attention(prepared_rows())
    for first, second in (("systolic", "diastolic"), ("urgent", "ward"), ("ward", "los_days")):
        one, other = (shares[:, SMALL.names.index(name)] for name in (first, second))
        assert torch.allclose(one, other)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_a_hidden_input_and_a_missing_one_give_the_same_bits(training: bool) -> None:
    prepared = prepared_rows()
    hidden = torch.rand(prepared.shape, generator=torch.Generator().manual_seed(4)) < 0.4
    elsewhere = torch.where(hidden, torch.zeros(()), prepared)
    found = [
        classifier(small_config()).encoder.train(training)(each.masked_fill(hidden, NAN))
        for each in (prepared, elsewhere)
    ]
    assert torch.equal(found[0].embedding, found[1].embedding)


def test_what_a_batch_looks_like_does_not_change_what_a_value_means() -> None:
    encoder = classifier(small_config()).encoder.train()
    assert not encoder.network.initial_bn.training
    encoder(prepared_rows()[:2].repeat(4, 1))
    assert not encoder.network.initial_bn.running_mean.any()
    assert (encoder.network.initial_bn.running_var == 1).all()


def test_input_dropout_is_for_training_only() -> None:
    with_it = small_config(input_dropout=0.5)
    one, other = classifier(small_config()), classifier(with_it)
    other.load_state_dict(one.state_dict())
    given: list[Tensor] = []
    other.encoder.network.register_forward_pre_hook(lambda _, taken: given.append(taken[0]))
    prepared = prepared_rows()
    assert torch.equal(one(prepared), other(prepared))
    other.train()(prepared)
    embedded = other.encoder.embed(prepared)
    assert torch.equal(given[0], embedded)
    assert 0.4 < (given[1] == 0).float().mean() < 0.6


def test_frozen_layers_stay_as_pretraining_left_them() -> None:
    member = classifier(small_config())
    member.freeze_feature_parts()
    member.train()
    before = {name: each.clone() for name, each in member.state_dict().items()}
    optimiser = torch.optim.SGD((p for p in member.parameters() if p.requires_grad), lr=0.1)
    member(prepared_rows()).square().sum().backward()
    optimiser.step()
    moved = {
        name for name, each in member.state_dict().items() if not torch.equal(each, before[name])
    }
    step = "encoder.network.feat_transformers.0"
    shared = f"{step}.shared.glu_layers.0.fc"  # one layer with the splitter's
    fixed = ("encoder.embed", "encoder.network.initial_", shared)
    assert not {name for name in moved if name.startswith(fixed)}
    assert {f"{step}.specifics.glu_layers.0.fc.weight", "encoder.widen.weight"} <= moved
    assert any(name.startswith("head.") for name in moved)
