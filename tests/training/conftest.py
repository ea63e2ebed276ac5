"""One thread, so that many tests share a machine; text models that are made once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers.utils.logging import disable_progress_bar

from tests.training import small_texts


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Small networks lose by more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    disable_progress_bar()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_texts.saved(tmp_path_factory.mktemp("text") / "bert", small_texts.bert())
