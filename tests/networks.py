"""Small trained networks, tables and bundles, with generated numbers only: no patient is in here."""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy
import torch
from safetensors.torch import save
from torch import Tensor, nn

from model import Manifest
from model.bundle import as_json
from model.calibration import Calibrator
from model.classifier import Classifier
from model.folded import FoldedNetwork, fold
from model.manifest import FORMAT
from model.preprocessing import Floats, Preprocessing, fit_preprocessing
from model.schema import Column, Schema
from model.shape import TabNetConfig
from model.tabnet import TabNetEncoder
from model.trained import (
    CALIBRATION,
    HISTOGRAMS,
    NETWORK,
    PREPROCESSING,
    REFERENCE,
    SCHEMA,
    STAYS,
    WEIGHTS,
    Histogram,
    NetworkFile,
    SampleStay,
    Value,
)

# Kinds interleaved; two concepts of several columns, one of them of three kinds.
SMALL = Schema(
    (
        Column("age", "numeric", "age"),
        Column("heart_failure", "binary", "heart failure"),
        Column("systolic", "numeric", "blood pressure"),
        Column("transport", "categorical", "arrival", ("walk", "ambulance", "helicopter")),
        Column("diastolic", "numeric", "blood pressure"),
        Column("urgent", "binary", "this stay"),
        Column("ward", "categorical", "this stay", ("medical", "surgical")),
        Column("los_days", "numeric", "this stay"),
    )
)
CENTRES = {"age": 60.0, "systolic": 125.0, "diastolic": 75.0, "los_days": 5.0}
CALIBRATOR = Calibrator(
    slope=0.8,
    intercept=-1.1,
    covariance=(0.01, -0.002, 0.02),
    spread=1.2,
    rows=400,
    positives=80,
    interval_holds=True,
)
# The catalogue has more than the network takes, in another order.
CATALOGUE_NAMES = ("unused_first", *reversed(SMALL.names), "unused_last")


def small_config(
    bins: int = 3, embedding: int = 2, output: int = 6, n_steps: int = 2, **others: str | float
) -> TabNetConfig:
    """A network of a few hundred weights; `output` 4 needs no widening."""
    sizes = {"n_d": 4, "n_a": 3, "n_steps": n_steps, "virtual_batch_size": 8}
    given = {"bins": bins, "embedding": embedding, "output": output}
    # by msgspec's own checks and not by annotations: a changed field cannot go unnoticed
    return TabNetConfig(**sizes, **given, **others)  # type: ignore[arg-type]


def table(rows: int = 40, seed: int = 1, schema: Schema = SMALL) -> Floats:
    """(rows, columns) raw, about one cell in five missing, unknown levels among the categories."""
    chance = numpy.random.default_rng(seed)
    columns = [_cells(column, rows, chance) for column in schema]
    raw = numpy.stack(columns, axis=1)
    raw[chance.random(raw.shape) < 0.2] = numpy.nan
    return raw


def _cells(column: Column, rows: int, chance: numpy.random.Generator) -> Floats:
    if column.kind == "numeric":
        centre = CENTRES[column.name]
        return chance.normal(centre, centre / 5, rows)
    levels = len(column.levels) + 1 if column.levels else 2
    return chance.integers(0, levels, rows).astype(float)


def prepared_rows(rows: int = 20, seed: int = 2, schema: Schema = SMALL) -> Tensor:
    """(rows, columns) as the network takes them."""
    fitted = fit_preprocessing(schema, table(schema=schema), 0)
    return torch.from_numpy(fitted.apply(schema, table(rows, seed, schema)))


def classifier(
    config: TabNetConfig, seed: int = 3, schema: Schema = SMALL, outputs: int = 1
) -> Classifier:
    """One member in eval mode. No weight or batch statistic is left at its first value."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fitted = fit_preprocessing(schema, table(schema=schema), config.bins)
        encoder = TabNetEncoder(schema, fitted, config)
        member = Classifier(encoder, hidden=5, dropout=0.3, outputs=outputs)
        for name, each in member.named_modules():
            if isinstance(each, nn.BatchNorm1d) and not name.endswith("initial_bn"):
                nn.init.normal_(each.running_mean, std=0.3)  # type: ignore[arg-type]
                nn.init.uniform_(each.running_var, 0.5, 1.5)  # type: ignore[arg-type]
        for name, parameter in member.named_parameters():
            if ".bn." in name or "initial_bn" in name or name.endswith(("bias", "embed.mask")):
                parameter.data += torch.randn_like(parameter) * 0.3
    return member.eval()


@dataclass(frozen=True)
class Ensemble:
    """Members of one shape, as they are in memory when training ends."""

    config: TabNetConfig
    preprocessing: Preprocessing
    members: tuple[Classifier, ...]

    def folded(self) -> FoldedNetwork:
        """The network that serves."""
        return fold(SMALL, self.config, [member.state_dict() for member in self.members])

    def served(self, raw: Floats) -> Floats:
        """(rows, columns) -> (members, rows), as a release states its sample stays."""
        prepared = torch.from_numpy(self.preprocessing.apply(SMALL, raw))
        with torch.inference_mode():
            found: Floats = self.folded().logits(prepared).double().numpy()
        return found

    def logits(self, raw: Floats) -> Floats:
        """(rows, columns) -> (members, rows), by the modules that were trained."""
        prepared = torch.from_numpy(self.preprocessing.apply(SMALL, raw))
        with torch.inference_mode():
            rows = [member(prepared) for member in self.members]
        found: Floats = torch.stack(rows).double().numpy()
        return found


def ensemble(config: TabNetConfig | None = None, members: int = 2) -> Ensemble:
    """Members that differ by seed only."""
    shape = config or small_config()
    fitted = fit_preprocessing(SMALL, table(), shape.bins)
    return Ensemble(shape, fitted, tuple(classifier(shape, 10 + i) for i in range(members)))


def as_values(row: Floats) -> tuple[Value, ...]:
    """A row of the table as the mapping hands it over: levels by name, None where missing."""
    return tuple(_value(column, cell) for column, cell in zip(SMALL, row, strict=True))


def _value(column: Column, cell: float) -> Value:
    if numpy.isnan(cell):
        return None
    if column.kind != "categorical":
        return float(cell)
    return (*column.levels, "never heard of")[int(cell)]


def in_catalogue_order(values: Sequence[Value]) -> list[Value]:
    """As the service asks for a score: what the network does not take is in there too."""
    by_name = dict(zip(SMALL.names, values, strict=True))
    return [by_name.get(name, 77.0) for name in CATALOGUE_NAMES]


def weight_bytes(members: Sequence[Classifier]) -> bytes:
    """safetensors of all members: `<member>.<name>`."""
    tensors = {
        f"{index}.{name}": tensor.detach().clone().contiguous()  # shared layers have two names
        for index, member in enumerate(members)
        for name, tensor in member.state_dict().items()
    }
    return save(tensors)


REFERENCE_VALUES: tuple[Value, ...] = (60.0, 0.0, 125.0, "walk", None, 0.0, "medical", 5.0)
MANIFEST = Manifest(
    format=FORMAT,
    name="small-network",
    version="1",
    created=datetime.date(2026, 11, 21),
    title="A small network",
    notice="Generated numbers only",
    kind="trained",
    task="readmission_30d",
    hooks=("encounter-discharge",),
    population="nobody",
    mapping_digest="a" * 64,
    features=SMALL.names,
    coverage_floors={"all": 0.5},
    base_rate=None,
    files={},
)


def trained_contents(of: Ensemble | None = None) -> dict[str, bytes]:
    """The files of a small trained bundle; with MANIFEST, write_bundle makes it one."""
    trained = of or ensemble()
    raw = table(4, seed=5)
    risks = CALIBRATOR.probability(trained.served(raw))
    stays = [SampleStay(as_values(row), float(risk)) for row, risk in zip(raw, risks, strict=True)]
    parts = {
        SCHEMA: SMALL,
        NETWORK: NetworkFile(trained.config, len(trained.members)),
        PREPROCESSING: trained.preprocessing,
        CALIBRATION: CALIBRATOR,
        REFERENCE: REFERENCE_VALUES,
        HISTOGRAMS: {column.name: _histogram(column) for column in SMALL},
        STAYS: stays,
    }
    written = {name: as_json(part) for name, part in parts.items()}
    return _published() | written | {WEIGHTS: weight_bytes(trained.members)}


def _histogram(column: Column) -> Histogram:
    """Everything alike: numbers in two bins, else one share a level, unknown among them."""
    edges = (CENTRES[column.name],) if column.kind == "numeric" else ()
    count = len(column.levels) + 1 if column.levels else 2
    return Histogram(missing=0.2, edges=edges, shares=(1 / count,) * count)


def _published() -> dict[str, bytes]:
    """What every bundle holds beside the network."""
    reading = {"label": "any", "figure": None}
    bounds = {"low": 0, "high": 2, "note": "published figure not verified here"}
    words = dict.fromkeys(("title", "citation", "outcome", "cohort", "source"), "x")
    score = words | {"name": "lace", "overall": None, "max_points": 2}
    rows = "".join(f"{name},all\n" for name in CATALOGUE_NAMES)
    return {
        "catalogue.csv": f"name,coverage_group\n{rows}".encode(),
        "MODEL_CARD.md": b"# A card\n",
        "published_scores.json": json.dumps([score | {"classes": [bounds | reading]}]).encode(),
        "samples.json": json.dumps([reading | {"score": "lace", "points": 1}]).encode(),
    }
