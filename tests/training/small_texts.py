"""Tiny text models with random weights, saved as a folder that transformers loads by itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    LongformerConfig,
    LongformerModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from tests.training.small_runs import WORDS

_SPECIAL = ("<pad>", "<s>", "</s>", "<unk>")
_LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
VOCABULARY = (*_SPECIAL, *WORDS, *_LETTERS)
SIZES: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 300,
    "pad_token_id": 0,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """Whole words, `<s> text </s>`."""
    ids = {word: index for index, word in enumerate(VOCABULARY)}
    made = Tokenizer(models.WordLevel(ids, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", ids["<s>"]), ("</s>", ids["</s>"])]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made,
        pad_token="<pad>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
    )


def bert() -> PreTrainedModel:
    """Three layers, 16 wide."""
    return _drawn(lambda: BertModel(BertConfig(**SIZES)))


def longformer(window: int = 16) -> PreTrainedModel:
    """Three layers, 16 wide, each token attending to `window` around it."""
    return _drawn(lambda: LongformerModel(LongformerConfig(**SIZES, attention_window=window)))


def saved(folder: Path, trunk: PreTrainedModel) -> Path:
    """As a site would name it under [alignment] text_model."""
    trunk.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def _drawn(make: Callable[[], Any]) -> PreTrainedModel:
    with torch.random.fork_rng():
        torch.manual_seed(11)
        trunk = make()
        for parameter in trunk.parameters():  # as drawn all tokens look alike
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    whole: PreTrainedModel = trunk.eval()
    return whole
