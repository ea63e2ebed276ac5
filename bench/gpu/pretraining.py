"""An epoch of masked pretraining beside `TabNetPretrainer.fit`: one encoder, one table. Needs readmit-cds[train]."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from pytorch_tabnet.pretraining import TabNetPretrainer
from torch import Tensor

from bench.gpu.speed import PRETRAINING_TARGET, Sizes
from bench.interleaved import shortest
from bench.reporting import Row, times_faster
from model.masking import Reconstructor
from model.preprocessing import Preprocessing, Standard
from model.schema import Column, Schema
from model.shape import TabNetConfig
from model.tabnet import TabNetEncoder
from training.fitting.world import ALONE
from training.loop import fit
from training.masked_pretraining import Reconstruction
from training.runs import Stage
from training.settings import Fit

COLUMNS, RATIO = 105, 0.5
SCHEMA = Schema(tuple(Column(f"x{i}", "numeric", f"x{i}") for i in range(COLUMNS)))
STANDARD = Preprocessing(dict.fromkeys(SCHEMA.names, Standard(0.0, 1.0, ())))
CONFIG = TabNetConfig(n_d=64, n_a=64, n_steps=3, output=64)


def pretraining(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """From a table on the host to trained weights; each is run once before it is timed."""
    table = torch.randn(sizes.stays, COLUMNS, generator=torch.Generator().manual_seed(5))
    ways = {
        "ours": lambda: ours(table, device, sizes.batch),
        "library": lambda: library(table, device, sizes.batch),
    }
    took = shortest(ways, rounds=1)
    name = f"masked pretraining, an epoch of {sizes.stays} stays"
    yield times_faster(name, took["ours"], took["library"], least=PRETRAINING_TARGET, unit="ms")


def ours(table: Tensor, device: torch.device, batch: int) -> None:
    """One epoch by the training loop, its checkpoint written."""
    module = Reconstructor(TabNetEncoder(SCHEMA, STANDARD, CONFIG), SCHEMA, CONFIG).to(device)
    rows = table.to(device)
    objective = Reconstruction(
        module, rows, rows[:2], batch=batch, mask_ratio=RATIO, seed=1, world=ALONE
    )
    settings = Fit(epochs=1, batch=batch, learning_rate=0.01)
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder), "pretrain")
        fit(objective, settings, stage, seed=1, progress=lambda *_: None, world=ALONE)


def library(table: Tensor, device: torch.device, batch: int) -> None:
    """One epoch by the library's own loop, without an evaluation."""
    TabNetPretrainer(
        n_d=CONFIG.n_d,
        n_a=CONFIG.n_a,
        n_steps=CONFIG.n_steps,
        n_shared=CONFIG.n_shared,
        n_independent=CONFIG.n_independent,
        verbose=0,
        device_name=str(device),
    ).fit(
        table.numpy(),
        max_epochs=1,
        batch_size=batch,
        virtual_batch_size=CONFIG.virtual_batch_size,
        pretraining_ratio=RATIO,
        drop_last=False,
    )
