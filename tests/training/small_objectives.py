"""What each stage minimises, on a dozen generated rows, without a run folder."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from model.masking import Reconstructor, layout_of
from model.shape import TabNetConfig
from model.text import TextEncoder
from tests.networks import SMALL, classifier, prepared_rows, small_config
from tests.training import small_texts
from tests.training.small_runs import FIT, WORDS
from training.contrastive_pretraining import Contrast, TwoTowers
from training.finetuning import Classification
from training.fitting.world import ALONE
from training.masked_pretraining import Reconstruction
from training.notes_corpus import Corpus, tokenise
from training.settings import Alignment, Finetuning

ROWS = 12
CONFIG = small_config(bins=4, embedding=3, output=12)
# As many chunks as rows and more: the longest summary is three chunks.
TEXTS = tuple(
    " ".join(WORDS[(row + step * (row % 3 + 1)) % len(WORDS)] for step in range(3 + 50 * row))
    for row in range(ROWS)
)


def reconstruction(config: TabNetConfig = CONFIG) -> Reconstruction:
    """Stage 1's."""
    torch.manual_seed(1)
    module = Reconstructor(classifier(config).encoder, SMALL, config)
    rows = prepared_rows(ROWS)
    return Reconstruction(module, rows, rows, batch=ROWS, mask_ratio=0.4, seed=1, world=ALONE)


def towers(trainable: int = 1, longformer: bool = False) -> TwoTowers:
    """Both towers with weights of their own, the same at each call."""
    torch.manual_seed(2)
    trunk = small_texts.longformer() if longformer else small_texts.bert()
    return TwoTowers(classifier(CONFIG).encoder, TextEncoder(trunk, trainable))


def corpus(texts: Sequence[str] = TEXTS) -> Corpus:
    """Token ids by the tiny tokenizer."""
    return tokenise(small_texts.tokenizer(), texts, None)


def contrast(module: TwoTowers, notes: Corpus, **settings: Any) -> Contrast:
    """Stage 2's. Every row a patient of his own."""
    given: dict[str, Any] = {"fit": FIT, "text_model": "none", "pack": 600} | settings
    rows = prepared_rows(len(notes.starts) - 1)
    subjects = [f"p{each}" for each in range(len(rows))]
    parts = (rows, notes, subjects), (rows, notes)
    return Contrast(module, *parts, settings=Alignment(**given), world=ALONE)


def labels(outputs: int = 1) -> Tensor:
    """(rows, outputs) that no input tells."""
    drawn = torch.rand(ROWS, outputs, generator=torch.Generator().manual_seed(6))
    return (drawn > 0.5).float()


def classification(
    config: TabNetConfig = CONFIG, outputs: int = 1, **settings: Any
) -> Classification:
    """Stage 3's."""
    member = classifier(config, outputs=outputs)
    part = (prepared_rows(ROWS), labels(outputs))
    given = Finetuning(fit=FIT, **settings)
    return Classification(member, part, part, settings=given, layout=layout_of(SMALL), world=ALONE)
