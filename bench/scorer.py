"""`python -m bench.scorer`: the network that serves beside `predict_proba` of pytorch_tabnet on the same weights,
and beside XGBoost and LightGBM, each on one thread, by turns in one process.

One network of the paper's wide size, drawn at random: 105 numeric columns, no embedding of ours, one member,
the same probabilities. `network` goes from an array to probabilities, as `predict_proba` does; `scores` from the
values of a stay to rounded scores with intervals. The boosted trees are other models, of the same columns.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy
import torch
import xgboost
from numpy.typing import NDArray
from pytorch_tabnet.tab_model import TabNetClassifier
from torch import Tensor, nn

from bench.interleaved import shortest
from bench.reporting import Row, report, times_faster, told
from model.calibration import Calibrator
from model.folded import FoldedNetwork, fold
from model.preprocessing import Preprocessing, Standard
from model.schema import Column, Schema
from model.scoring import TrainedScorer
from model.shape import TabNetConfig
from model.trained import TrainedModel

COLUMNS, WIDTH, STEPS = 105, 64, 5
SIZES = {1: 80, 64: 20, 4096: 4}
"""Batch size -> rounds."""
TARGETS = {1: 8.0, 4096: 4.0}
TOLERANCE = 1e-5
"""Of nine probabilities in ten: a network that nobody trained makes much of a few rows' last bits. In double
precision the two agree to 1e-10, which tests/parity holds them to."""
SCHEMA = Schema(tuple(Column(f"x{i}", "numeric", f"x{i}") for i in range(COLUMNS)))
CONFIG = TabNetConfig(n_d=WIDTH, n_a=WIDTH, n_steps=STEPS, output=WIDTH)
AS_IS = Calibrator(
    slope=1.0, intercept=0.0, covariance=(0.0, 0.0, 0.0), spread=1.0, rows=1, positives=1, interval_holds=False
)  # fmt: skip

Floats = NDArray[numpy.float32]
Scoring = Callable[[Floats], Any]


@dataclass(frozen=True)
class Ways:
    """All of (rows, COLUMNS) -> probabilities; `scores` takes lists of values."""

    network: Scoring
    library: Scoring
    scores: Callable[[list[list[float]]], Any]
    trees: dict[str, Scoring]


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    drawn = numpy.random.default_rng(0).normal(size=(max(SIZES), COLUMNS)).astype(numpy.float32)
    ways = made(drawn)
    rows = [row for size, rounds in SIZES.items() for row in compared(ways, drawn[:size], rounds)]
    conditions = {
        "network": f"n_d {WIDTH}, n_a {WIDTH}, {STEPS} steps, {COLUMNS} columns, one member",
        "threads": 1,
        "xgboost": f"{xgboost.__version__}, 500 trees of depth 6",
        "lightgbm": f"{lightgbm.__version__}, 500 trees of 31 leaves",
        "torch": torch.__version__,
        "time": "CPU time, the shortest of the rounds",
    }
    report("scorer", rows, conditions, "Scoring on one thread")


def made(drawn: Floats) -> Ways:
    """The ways; raises ValueError where the network and the library's do not agree."""
    library = _library(drawn)
    network = _folded(library.network)
    found = _probabilities(network, drawn)
    apart = numpy.quantile(abs(found - library.predict_proba(drawn)[:, 1]), 0.9)
    if not apart < TOLERANCE or found.std() < 0.01:
        raise ValueError(f"not the same network: {apart}")
    standard = Preprocessing(dict.fromkeys(SCHEMA.names, Standard(0.0, 1.0, ())))
    model = TrainedModel(SCHEMA, standard, network, AS_IS, (0.0,) * COLUMNS, {})
    return Ways(
        lambda rows: _probabilities(network, rows),
        library.predict_proba,
        TrainedScorer(model, range(COLUMNS)).scores,
        dict(_trees(drawn, found)),
    )


def compared(ways: Ways, rows: Floats, rounds: int) -> Iterator[Row]:
    """Our network and our whole way beside the library's, our network beside each of the trees."""
    values, size = rows.tolist(), len(rows)
    calls: dict[str, Callable[[], Any]] = {
        "network": lambda: ways.network(rows),
        "library": lambda: ways.library(rows),
        "scores": lambda: ways.scores(values),
    } | {name: lambda each=each: each(rows) for name, each in ways.trees.items()}
    took = shortest(calls, rounds=rounds, turn=5, clock=time.process_time)
    name, ours, library = f"network, batch {size}", took["network"], took["library"]
    if size in TARGETS:
        yield times_faster(name, ours, library, least=TARGETS[size], unit="ms")
    else:
        yield told(name, ours, library, unit="ms")
    yield told(f"scores, batch {size}", took["scores"], library, unit="ms")
    for each in ways.trees:
        yield told(f"{name}, beside {each}", ours, took[each], unit="ms")


def _probabilities(network: FoldedNetwork, rows: Floats) -> Floats:
    with torch.inference_mode():
        found: Floats = network.logits(torch.from_numpy(rows))[0].sigmoid().numpy()
    return found


def _library(rows: Floats) -> TabNetClassifier:
    """Its classifier as after `fit`, with the batch statistics of rows; the first norm stays as ours does."""
    made = TabNetClassifier(n_d=WIDTH, n_a=WIDTH, n_steps=STEPS, verbose=0, device_name="cpu")
    made.input_dim, made.output_dim, made.grouped_features = COLUMNS, 2, []
    made._set_network()
    for each in made.network.modules():
        if isinstance(each, nn.BatchNorm1d):
            each.momentum = 1.0
    made.network.tabnet.encoder.initial_bn.eval()
    with torch.no_grad():
        made.network(torch.from_numpy(rows[:256]))
    return made


def _folded(library: nn.Module) -> FoldedNetwork:
    """The same network out of its weights: its two outputs become the difference, which is the logit."""
    weights = {
        name.replace("tabnet.encoder.", "encoder.network."): tensor
        for name, tensor in library.state_dict().items()
    }
    return fold(
        SCHEMA, CONFIG, [weights | _embedding() | _head(weights["tabnet.final_mapping.weight"])]
    )


def _embedding() -> dict[str, Tensor]:
    """Each column as it is."""
    of = "encoder.embed"
    return {
        f"{of}.edges": torch.tensor([0.0, 1.0]).repeat(COLUMNS, 1),
        f"{of}.weight": torch.ones(COLUMNS, 1, 1),
        f"{of}.bias": torch.zeros(COLUMNS, 1),
        f"{of}.levels": torch.zeros(1, 1),
        f"{of}.mask": torch.zeros(COLUMNS, 1),
    }


def _head(final: Tensor) -> dict[str, Tensor]:
    """(2, n_d) -> a head whose rectifier lets the whole difference through: relu(z) - relu(-z) = z."""
    difference = final[1] - final[0]
    return {
        "head.layers.1.weight": torch.stack((difference, -difference)),
        "head.layers.1.bias": torch.zeros(2),
        "head.layers.4.weight": torch.tensor([[1.0, -1.0]]),
        "head.layers.4.bias": torch.zeros(1),
    }


def _trees(rows: Floats, risks: Floats) -> Iterator[tuple[str, Scoring]]:
    labels = (risks > numpy.median(risks)).astype(int)
    boosted = xgboost.XGBClassifier(n_estimators=500, max_depth=6, n_jobs=1).fit(rows, labels)
    yield "XGBoost", boosted.predict_proba
    light = lightgbm.LGBMClassifier(n_estimators=500, num_leaves=31, n_jobs=1, verbosity=-1)
    yield "LightGBM", light.fit(rows, labels).predict_proba


if __name__ == "__main__":
    main()
