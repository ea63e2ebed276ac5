"""Plain attention is transformers' Longformer, number for number, where chunks fit the window."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import (
    BertModel,
    LongformerConfig,
    LongformerForMaskedLM,
    LongformerModel,
    RobertaConfig,
    RobertaModel,
)
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

from model.longformer import fits, through
from model.text import TextEncoder
from tests.training import small_texts

PAD = 1
WIDTH = 64
SHORT = 64


def longformer(window: int | list[int] = 512, dtype: torch.dtype = torch.float32) -> Any:
    """Three layers, 64 wide, every weight and bias of its own."""
    config = LongformerConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=96,
        max_position_embeddings=300,
        pad_token_id=PAD,
        attention_window=window,
    )
    with torch.random.fork_rng():
        torch.manual_seed(5)
        made = LongformerModel(config)
        for parameter in made.parameters():
            nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    return made.to(dtype).eval()


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    """Token ids padded to the longest, and which of them are no padding; some ids are the
    padding's own all the same."""
    drawn = torch.Generator().manual_seed(len(lengths))
    ids = torch.randint(PAD, 50, (len(lengths), max(lengths)), generator=drawn)
    seen = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return ids.masked_fill(~seen, PAD), seen


def theirs(trunk: LongformerModel, ids: Tensor, seen: Tensor) -> Tensor:
    """As transformers runs it, [CLS] global."""
    cls = torch.zeros_like(ids)
    cls[:, 0] = 1
    states: Tensor = trunk(
        ids, attention_mask=seen.long(), global_attention_mask=cls
    ).last_hidden_state
    return states[seen]


def ours(trunk: LongformerModel, ids: Tensor, seen: Tensor) -> Tensor:
    return through(trunk.encoder.layer, trunk.embeddings(ids), seen)[seen]


def gradients(trunk: LongformerModel, states: Tensor) -> dict[str, Tensor]:
    trunk.zero_grad()
    weights = torch.linspace(-1, 1, states.numel(), dtype=states.dtype)
    (states.flatten() * weights).sum().backward()
    named = trunk.named_parameters()
    return {name: each.grad.clone() for name, each in named if each.grad is not None}


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers takes its softmax in float32 whatever the weights are: here in theirs."""

    def softmax(scores: Tensor, dim: int, dtype: torch.dtype) -> Tensor:
        return torch.softmax(scores, dim)

    monkeypatch.setattr("torch.nn.functional.softmax", softmax)


LENGTHS = pytest.mark.parametrize("lengths", [(1,), (2,), (255,), (256,), (256, 1, 130)], ids=str)


@LENGTHS
def test_every_token_is_as_transformers_has_it(lengths: tuple[int, ...]) -> None:
    trunk, given = longformer(), batch(*lengths)
    with torch.no_grad():
        assert torch.allclose(ours(trunk, *given), theirs(trunk, *given), rtol=0, atol=2e-5)


@LENGTHS
@pytest.mark.usefixtures("exact")
def test_in_double_precision_values_and_gradients_are_equal(lengths: tuple[int, ...]) -> None:
    double, given = longformer(dtype=torch.float64), batch(*lengths)
    one, other = ours(double, *given), theirs(double, *given)
    assert torch.allclose(one, other, rtol=0, atol=1e-12)
    slopes, expected = gradients(double, one), gradients(double, other)
    assert slopes.keys() == expected.keys()
    largest = max(each.abs().max() for each in expected.values())
    for name, slope in slopes.items():
        assert torch.allclose(slope, expected[name], rtol=1e-9, atol=1e-12 * float(largest)), name


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, SHORT // 2 + 2), min_size=1, max_size=6))
def test_what_stands_beside_a_chunk_changes_nothing(lengths: list[int]) -> None:
    trunk = longformer(SHORT)
    ids, seen = batch(*lengths)
    with torch.no_grad():
        together = ours(trunk, ids, seen)
        assert torch.allclose(together, theirs(trunk, ids, seen), rtol=0, atol=2e-5)
        alone = [
            ours(trunk, row[:length].unsqueeze(0), torch.ones(1, length, dtype=torch.bool))
            for row, length in zip(ids, lengths, strict=True)
        ]
    assert torch.allclose(together, torch.cat(alone), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("window", "most"), [(512, 258), (16, 10), ([512, 64, 512], 34), ([4, 4, 4], 4)], ids=str
)
def test_chunks_fit_up_to_half_the_narrowest_window_and_two(
    window: int | list[int], most: int
) -> None:
    """One token more, and the second no longer sees the last: the outputs part."""
    trunk = longformer(window)
    assert fits(trunk, most)
    assert not fits(trunk, most + 1)
    for tokens, equal in ((most, True), (most + 1, False)):
        given = batch(tokens)
        with torch.no_grad():
            one, other = ours(trunk, *given), theirs(trunk, *given)
        assert torch.allclose(one, other, rtol=0, atol=2e-5) == equal


def test_no_other_model_fits() -> None:
    roberta = RobertaModel(RobertaConfig(**small_texts.SIZES))
    masked = LongformerForMaskedLM(longformer().config)
    assert isinstance(small_texts.bert(), BertModel)
    assert not any(fits(trunk, 1) for trunk in (roberta, masked, small_texts.bert()))


def slid(*_: object, **__: object) -> None:
    raise AssertionError("the window slid")


def test_the_text_tower_slides_no_window_over_chunks_that_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder = TextEncoder(longformer(16), 1)
    monkeypatch.setattr(LongformerSelfAttention, "forward", slid)
    rows = list(batch(10, 10)[0])
    assert encoder(rows, encoder.prefix(rows)).shape == (2, WIDTH)
    longer = list(batch(11)[0])
    for through_the_window in (encoder, encoder.prefix):
        with pytest.raises(AssertionError, match="slid"):
            through_the_window(longer)


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("trainable", [1, 2, 3])
def test_the_towers_last_layers_get_transformers_own_gradients(trainable: int) -> None:
    double = longformer(SHORT, torch.float64)
    encoder = TextEncoder(double, trainable)
    ids, seen = batch(31, 12, 1)
    rows = [row[real] for row, real in zip(ids, seen, strict=True)]
    starts = torch.tensor([0, 31, 31 + 12])
    expected = gradients(double, theirs(double, ids, seen)[starts])
    learning = {f"encoder.layer.{layer}" for layer in range(3 - trainable, 3)}
    assert {name.rsplit(".", 3)[0][:15] for name in expected} == learning
    for states in (None, encoder.prefix(rows)):
        found = gradients(double, encoder(rows, states))
        assert found.keys() == expected.keys()
        assert all(torch.allclose(found[name], expected[name], atol=1e-10) for name in found)


def test_what_is_learnt_is_learnt_by_the_model_itself() -> None:
    trunk = longformer()
    names = trunk.state_dict().keys()
    encoder = TextEncoder(trunk, 1)
    rows = list(batch(20)[0])
    before = encoder(rows).detach()
    optimiser = torch.optim.SGD([each for each in encoder.parameters() if each.requires_grad], 0.1)
    encoder(rows).sum().backward()
    optimiser.step()
    assert trunk.state_dict().keys() == names
    with torch.no_grad():
        learnt = theirs(trunk, *batch(20))[:1]
        assert torch.allclose(encoder(rows), learnt, rtol=0, atol=2e-5)
    assert not torch.allclose(learnt, before, atol=1e-2)
