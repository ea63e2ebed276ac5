"""One measurement: the same stages as for patients, on stays whose true risk is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy
from sklearn.metrics import roc_auc_score

from model.calibration import Calibrator
from tests.generated_cohort import generate
from training.calibration import fit_calibrator
from training.experiment import Experiment
from training.learners import starts_of
from training.runs import open_run
from training.settings import load_settings
from training.stages import calibrate, finetune_each, logits_for, network_of
from training.subjects import Progress
from training.tables import Floats

ROWS = 50_000
NOMINAL = 0.9
SPREADS = (0.5, 1.0, 1.5, 2.0, 2.5, 2.75, 3.0)
_SEED = 5


@dataclass(frozen=True)
class Found:
    """On held_out. `own_auroc`: of the true risk. `covered`: share of true probabilities inside the
    interval as it is served; `covered_by`: with other factors on the members' spread."""

    rows: int
    positives: int
    own_auroc: float
    auroc: float
    slope: float
    covered: float
    width: float
    covered_by: Mapping[float, float]


def measure(folder: Path, rows: int, progress: Progress) -> Found:
    """Train in `folder` (resumed where it was killed) and compare with the truth."""
    generated = generate(rows, _SEED)
    run = open_run(folder, load_settings(Path(__file__).parent / "settings.toml"))
    experiment = Experiment(run, generated.table, {}, progress)
    network = network_of(experiment, finetune_each(experiment, starts_of(experiment, "masked")))
    calibrator = calibrate(experiment, network)
    held_out = generated.table.splits == "held_out"
    logits = logits_for(experiment, network, generated.table.values[held_out])
    labels = generated.table.labels[experiment.settings.label][held_out]
    return _compared(calibrator, logits, labels, generated.risk[held_out])


def _compared(calibrator: Calibrator, logits: Floats, labels: Floats, risk: Floats) -> Found:
    probability = calibrator.probability(logits)
    log_odds = numpy.log(probability / (1.0 - probability))[None]
    low, high = calibrator.interval(logits)
    return Found(
        rows=len(labels),
        positives=int(labels.sum()),
        own_auroc=float(roc_auc_score(labels, risk)),
        auroc=float(roc_auc_score(labels, probability)),
        slope=fit_calibrator(log_odds, labels, spread=0.0).slope,
        covered=_inside(calibrator, logits, risk),
        width=float((high - low).mean()),
        covered_by={
            spread: _inside(msgspec.structs.replace(calibrator, spread=spread), logits, risk)
            for spread in SPREADS
        },
    )


def _inside(calibrator: Calibrator, logits: Floats, risk: Floats) -> float:
    low, high = calibrator.interval(logits)
    return float(((risk >= low) & (risk <= high)).mean())
