"""Runs small enough for a test: a few hundred weights, generated numbers, every stage in a second."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy
import torch
from safetensors.torch import save
from torch import Tensor

from model.calibration import expit
from model.schema import Column
from model.shape import TabNetConfig
from tests.conftest import ROOT
from training.cohorts.files import catalogue_schema
from training.experiment import Experiment
from training.fitting.world import ALONE, World
from training.runs import Stage, open_run
from training.settings import (
    Alignment,
    CohortSource,
    Evaluation,
    Finetuning,
    Fit,
    Pretraining,
    Release,
    Settings,
)
from training.splits import split_of
from training.stages import align, finetune, pretrain
from training.subjects import Progress
from training.tables import Floats, Table

LABEL = "readmission_30d"
WORDS = ("pain", "fever", "cough", "stable", "home", "heart", "renal", "wound", "walks", "eats")
# Kinds interleaved; two concepts of two columns each.
SCHEMA = catalogue_schema(
    (
        "age",
        "cci_chf",
        "triage_sbp",
        "gender",
        "triage_dbp",
        "eci_chf",
        "n_hosp_365d",
        "admission_type",
        "hosp_los_days",
    )
)
FAILING = SCHEMA.names.index("cci_chf")
FIT = Fit(epochs=3, batch=32, learning_rate=0.01)
SETTINGS = Settings(
    name="small",
    seed=7,
    device="cpu",
    cohort=CohortSource(reader="fhir", path="nowhere"),
    encoder=TabNetConfig(n_d=4, n_a=3, n_steps=2, virtual_batch_size=8, output=6, embedding=2),
    pretraining=Pretraining(fit=FIT),
    finetuning=Finetuning(fit=FIT, members=2, hidden=5),
    evaluation=Evaluation(
        resamples=20,
        baselines=("two_admissions", "logistic"),
        fractions=(0.3, 1.0),
        ablation_seeds=1,
    ),
    release=Release(
        name="small",
        version="0.0.1",
        title="A small network",
        notice="Generated numbers. Not for clinical use.",
        population="nobody",
        outcome="nothing",
        published=str(ROOT / "bundles" / "lace-hospital"),
        synthetic=True,
    ),
)


def changed(settings: Settings = SETTINGS, **parts: Mapping[str, Any] | Any) -> Settings:
    """`finetuning={"drop": 0.2}` changes that one setting; anything else replaces the whole."""
    made = {
        name: msgspec.structs.replace(getattr(settings, name), **part)
        if isinstance(part, Mapping)
        else part
        for name, part in parts.items()
    }
    return msgspec.structs.replace(settings, **made)


def with_fit(settings: Settings = SETTINGS, **fit: Any) -> Settings:
    """The same change to every stage's fit."""
    parts = {
        name: {"fit": msgspec.structs.replace(stage.fit, **fit)}
        for name in ("pretraining", "alignment", "finetuning")
        if (stage := getattr(settings, name)) is not None
    }
    return changed(settings, **parts)


def aligned(text_model: Path, settings: Settings = SETTINGS, **alignment: Any) -> Settings:
    """With stage 2 against the text model in a folder."""
    given: dict[str, Any] = {"fit": FIT, "trainable_layers": 1} | alignment
    return changed(settings, alignment=Alignment(text_model=str(text_model), **given))


@cache
def small_table(rows: int = 200, seed: int = 1) -> Table:
    """Two thirds as many patients as stays, and a label that age and heart failure tell."""
    draw = numpy.random.default_rng(seed)
    values = numpy.stack([_cells(column, rows, draw) for column in SCHEMA], axis=1)
    risk = expit((values[:, 0] - 60.0) / 4.0 + 2.0 * values[:, FAILING] - 1.5)
    values[draw.random(values.shape) < 0.2] = numpy.nan
    subjects = numpy.array([f"p{each}" for each in draw.integers(rows * 2 // 3, size=rows)])
    return Table(
        schema=SCHEMA,
        values=values,
        labels={LABEL: (draw.random(rows) < risk).astype(float)},
        subjects=subjects,
        stays=numpy.array([f"s{each}" for each in range(rows)]),
        splits=numpy.array([split_of(each) for each in subjects]),
        extras={},
    )


def _cells(column: Column, rows: int, draw: numpy.random.Generator) -> Floats:
    if column.kind == "numeric":
        return draw.normal(60.0, 10.0, rows).round(1)
    return draw.integers(0, len(column.levels) or 2, rows).astype(float)


def notes_of(table: Table) -> dict[str, str]:
    """A summary a stay, of one to twelve words that go by the record; the last stay has none."""
    draw = numpy.random.default_rng(5)
    ages = numpy.nan_to_num(table.column("age"), nan=60.0)
    texts = {}
    for stay, age in zip(table.stays.tolist()[:-1], ages, strict=False):
        weights = numpy.roll(numpy.linspace(1, 9, len(WORDS)) ** 2, int(age) % 7)
        words = draw.choice(WORDS, draw.integers(1, 12), p=weights / weights.sum())
        texts[stay] = "Course:\n" + " ".join(words)
    return texts


def quiet(task: str, done: int, total: int) -> None:
    """A Progress that nobody watches."""


def experiment(
    folder: Path,
    settings: Settings = SETTINGS,
    *,
    table: Table | None = None,
    notes: Mapping[str, str] | None = None,
    progress: Progress = quiet,
    world: World = ALONE,
) -> Experiment:
    """A run in `folder`, new or resumed; notes where there is a stage 2."""
    rows = small_table() if table is None else table
    texts = notes_of(rows) if notes is None and settings.alignment else notes or {}
    return Experiment(open_run(folder, settings), rows, texts, progress, world)


def altered(table: Table, rows: numpy.typing.NDArray[Any]) -> Table:
    """Other values and labels in the rows that a mask names."""
    draw = numpy.random.default_rng(99)
    values = table.values.copy()
    values[rows] = small_table(len(table), 77).values[rows]
    other = draw.integers(2, size=len(table)).astype(float)
    labels = {name: numpy.where(rows, other, label) for name, label in table.labels.items()}
    return replace(table, values=values, labels=labels)


def in_bytes(weights: Mapping[str, Tensor]) -> bytes:
    """To compare weights to the last bit."""
    return save({name: each.detach().clone().contiguous() for name, each in weights.items()})


STAGES: Mapping[str, Callable[[Experiment], Mapping[str, Tensor]]] = {
    "pretrain": pretrain,
    "align": lambda experiment: align(experiment, None),
    "finetune/0": lambda experiment: finetune(experiment, None, members=1)[0],
}


def rows_of(stage: Stage) -> list[dict[str, Any]]:
    """metrics.jsonl."""
    lines = (stage.folder / "metrics.jsonl").read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def furthest(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> float:
    """The largest difference between weights of the same names."""
    assert one.keys() == other.keys()
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].numel())


def seeded(number: int) -> torch.Generator:
    """A generator for a test's own draws."""
    return torch.Generator().manual_seed(number)
