"""Run as a process of its own, or as one of several: every stage on one small table.

In double precision, so that what is left between two worlds is no rounding that grew.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor

from model.text import TextEncoder
from tests.training.small_runs import aligned, changed, experiment, small_table, with_fit
from training import stages
from training.experiment import Experiment
from training.fitting.world import World, join_world
from training.settings import Alignment, Settings
from training.stages import align, finetune, pretrain
from training.tables import Table

TRAIN = 96
BATCH = 16  # two ghost batches: one for each of two processes


def settings(text_model: Path) -> Settings:
    """Whatever is drawn on purpose is drawn alike in any world; only dropout is not."""
    told = with_fit(aligned(text_model, cached_prefix=False), batch=BATCH, epochs=2, average=0.5)
    return changed(told, finetuning={"dropout": 0.0, "drop": 0.3, "sparsity": 0.01})


def table() -> Table:
    """Whole batches of train only, so that the ghost batches are the same in any world."""
    whole = small_table()
    surplus = numpy.flatnonzero(whole.splits == "train")[TRAIN:]
    return whole.rows(numpy.setdiff1d(numpy.arange(len(whole)), surplus))


@contextmanager
def double_precision() -> Iterator[None]:
    """Weights, inputs and labels; the program itself knows single precision only."""
    inputs, encoder = Experiment.inputs, Experiment.encoder
    labels, text_model = stages._labels, stages._text_model

    def text(settings: Alignment) -> tuple[TextEncoder, Any]:
        made, tokenizer = text_model(settings)
        return made.double(), tokenizer

    torch.set_default_dtype(torch.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Experiment, "inputs", lambda *given: inputs(*given).double())
        patch.setattr(Experiment, "encoder", lambda *given: encoder(*given).double())
        patch.setattr(stages, "_labels", lambda *given: labels(*given).double())
        patch.setattr(stages, "_text_model", text)
        yield
    torch.set_default_dtype(torch.float32)


def train(folder: Path, world: World) -> None:
    """All stages into `folder`, one after the other."""
    with double_precision(), world.in_turn():
        made = experiment(folder / "run", settings(folder / "bert"), table=table(), world=world)
    with double_precision():
        every_stage(made)


def every_stage(made: Experiment) -> None:
    """Each kind of start and of freezing once."""
    start = pretrain(made)
    align(made, start)
    finetune(made, start, members=1)
    finetune(made, None, name="free", members=1)


def gathered(world: World) -> dict[str, list[float]]:
    """What the processes tell each other, of parts of unequal length."""
    rows = torch.arange(10.0).reshape(5, 2)
    own: Tensor = world.share(rows)
    return {
        "gather": world.gather(own).flatten().tolist(),
        "total": world.total(own.sum()).reshape(1).tolist(),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    joined = join_world()
    assert joined.size == int(os.environ["WORLD_SIZE"])
    expected = {"gather": [float(each) for each in range(10)], "total": [45.0]}
    assert gathered(joined) == expected
    train(Path(sys.argv[1]), joined)
