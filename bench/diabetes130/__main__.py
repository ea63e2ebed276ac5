"""`python -m bench.diabetes130`: pretrain, fine-tune, calibrate, evaluate, on real readmissions.

Every model is fitted with five seeds; every cell is kept and a killed run goes on. held_out is
opened once, at the end. Writes docs/results/diabetes130.json and .md.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy
import torch
from rich.console import Console
from sklearn.metrics import roc_auc_score

from bench.diabetes130.columns import load
from bench.diabetes130.page import page
from model.calibration import expit
from training.appraisal.findings import Kind
from training.appraisal.predictors import EvaluationSettings, Predictions
from training.baselines import TITLES, BaselineSettings, fit_predict
from training.evaluation import evaluate
from training.experiment import Experiment
from training.learners import starts_of
from training.progress import bars
from training.runs import Stage, open_run, write_whole
from training.settings import load_settings
from training.stages import calibrate, finetune_each, logits_for, network_of
from training.tables import Floats, Table

HERE = Path(__file__).parent
RESULTS = Path("docs/results")
SEEDS = 5
TRIALS = 30  # of each boosting's random search, for each seed
OURS = "Readmit: TabNet, 5 members"


def main() -> None:
    """Fit what is not fitted yet, open held_out, write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/diabetes130"))
    parser.add_argument("--run", type=Path, default=Path("runs/diabetes130"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = load(options.data)
    run = open_run(options.run, load_settings(HERE / "settings.toml"))
    with bars(Console(stderr=True)) as progress:
        experiment = Experiment(run, table, {}, progress)
        members = finetune_each(experiment, starts_of(experiment, "masked"))
        network = network_of(experiment, members)
        calibrator = calibrate(experiment, network)
        held_out = table.split("held_out")
        logits = logits_for(experiment, network, held_out.values)
        ours = Predictions(OURS, "probability", calibrator.probability(logits))
        others, by_seed = _baselines(experiment, held_out)
    found = evaluate(
        held_out,
        experiment.settings.label,
        [ours, *others],
        intervals=calibrator.interval(logits),
        settings=_settings(experiment),
    )
    labels = held_out.labels[experiment.settings.label]
    by_seed = {OURS: [float(roc_auc_score(labels, each)) for each in logits], **by_seed}
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_whole(RESULTS / "diabetes130.md", page(found, by_seed).encode())
    Stage(RESULTS, "results").write("diabetes130", {"evaluation": found, "auroc_by_seed": by_seed})


def _baselines(
    experiment: Experiment, held_out: Table
) -> tuple[list[Predictions], Mapping[str, Sequence[float]]]:
    """Each baseline's seeds averaged as logits, and the AUROC of each seed alone."""
    averaged: list[Predictions] = []
    by_seed: dict[str, Sequence[float]] = {}
    labels = held_out.labels[experiment.settings.label]
    for name in experiment.settings.evaluation.baselines:
        fitted = name not in {"two_admissions", "logistic"}
        cells = [_cell(experiment, name, seed, held_out) for seed in range(SEEDS if fitted else 1)]
        title = f"{TITLES[name]}, {SEEDS} seeds" if fitted else TITLES[name]
        values = cells[0] if not fitted else expit(numpy.mean([_logit(c) for c in cells], axis=0))
        kind: Kind = "score" if name == "two_admissions" else "probability"
        averaged.append(Predictions(title, kind, values))
        by_seed[title] = [float(roc_auc_score(labels, cell)) for cell in cells]
    return averaged, by_seed


def _cell(experiment: Experiment, name: str, seed: int, held_out: Table) -> Floats:
    """One baseline with one seed, from the run's folder where it was fitted before."""
    stage = experiment.run.stage(f"baselines/{name}/{seed}")
    if not stage.done:
        experiment.progress(stage.name, 0, 1)
        found = fit_predict(
            name,
            experiment.table,
            experiment.settings.label,
            rows=replace(held_out, labels={}),
            settings=BaselineSettings(seed=seed, trials=TRIALS),
        )
        stage.save("values", {"values": torch.from_numpy(found.values)})
        stage.finish()
        experiment.progress(stage.name, 1, 1)
    values: Floats = stage.load("values")["values"].numpy()
    return values


def _logit(probability: Floats) -> Floats:
    clipped = numpy.clip(probability, 1e-6, 1.0 - 1e-6)
    return numpy.log(clipped / (1.0 - clipped))


def _settings(experiment: Experiment) -> EvaluationSettings:
    settings = experiment.settings
    return EvaluationSettings(
        cohort="UCI Diabetes 130-US hospitals",
        split="held_out",
        evaluated_on=datetime.now(tz=UTC).date(),  # noqa: TID251 - a benchmark's own clock
        synthetic=False,
        resamples=settings.evaluation.resamples,
        seed=1,
        thresholds=settings.evaluation.thresholds,
    )


if __name__ == "__main__":
    main()
