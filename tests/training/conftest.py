"""One thread and one day, so that many tests share a machine; text models and whole runs that are made once."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers.utils.logging import disable_progress_bar

from tests.training import small_texts
from tests.training.small_runs import SETTINGS, STAGES, aligned, experiment, with_fit
from training import cli
from training.settings import Settings

TODAY = date(2026, 11, 21)
Whole = Callable[[str, float], tuple[Path, Mapping[str, Tensor]]]


@pytest.fixture(autouse=True, scope="session")
def one_thread_and_one_day() -> Iterator[None]:
    """Small networks lose by more threads; midnight may come while a test runs."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    disable_progress_bar()  # type: ignore[no-untyped-call]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "today", lambda: TODAY)
        yield
    torch.set_num_threads(before[0])
    torch.use_deterministic_algorithms(before[1])


@pytest.fixture(scope="session")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text model as a site has one."""
    return small_texts.saved(tmp_path_factory.mktemp("text") / "bert", small_texts.bert())


@pytest.fixture(scope="session")
def all_stages(bert_folder: Path) -> Settings:
    """Settings with stage 2."""
    return aligned(bert_folder, SETTINGS)


@pytest.fixture(scope="session")
def whole(all_stages: Settings, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """A stage that nothing interrupted: its folder and weights, by name and average."""
    made: dict[tuple[str, float], tuple[Path, Mapping[str, Tensor]]] = {}

    def run(stage: str, average: float) -> tuple[Path, Mapping[str, Tensor]]:
        if (stage, average) not in made:
            folder = tmp_path_factory.mktemp("whole")
            weights = STAGES[stage](experiment(folder, with_fit(all_stages, average=average)))
            made[stage, average] = folder / stage, weights
        return made[stage, average]

    return run
