"""held_out, opened once: the model, its baselines, the ablation, and the report of them.

Nothing else in the package asks for the split held_out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import numpy

from model.calibration import Calibrator, expit
from model.folded import FoldedNetwork
from training.appraisal.ablation import ARMS, Ablation, Arm, ArmRun, ablate, label_subset
from training.appraisal.ablation_page import ablation_page
from training.appraisal.facts import RunFacts
from training.appraisal.findings import Evaluation, Kind
from training.appraisal.predictors import EvaluationSettings, Predictions
from training.baselines import BaselineSettings, available, fit_predict
from training.errors import SealedError
from training.evaluation import evaluate
from training.experiment import Experiment
from training.learners import start_of
from training.report import write_report
from training.runs import Stage
from training.stages import finetune, logits_for, network_of
from training.tables import Floats, Table
from training.writing import write_bytes

OURS = "Readmit"
_AXES = ("oncology_service",)  # what CMS leaves out and we do not (METHOD.md), as far as told
UNTIL_DISCHARGE = "discharge_location"
_OPENED = "OPENED"


@dataclass(frozen=True)
class Opening:
    """What an evaluation needs beside the run: what date it is, and what the run is, in words."""

    today: date
    facts: RunFacts


def evaluate_model(
    experiment: Experiment, network: FoldedNetwork, calibrator: Calibrator, opening: Opening
) -> Evaluation:
    """The report of this run's model. Raises SealedError where it was made before."""
    chosen = _chosen(experiment)
    stage = _open(experiment, "evaluate", opening.today)
    held_out = experiment.table.split("held_out").labelled(experiment.settings.label)
    logits = logits_for(experiment, network, held_out.values)
    ours = Predictions(OURS, "probability", calibrator.probability(logits))
    others = [_baseline(experiment, stage, name, held_out) for name in chosen]
    compared = Compared(held_out, (ours, *others), calibrator.interval(logits))
    found = _reported(experiment, compared, experiment.settings.label, stage.folder, opening)
    for label in experiment.settings.evaluation.also:
        if label in held_out.labels and label != experiment.settings.label:
            _reported(experiment, compared, label, stage.folder / label, opening)
    _report_before_discharge(experiment, (network, calibrator), held_out, stage.folder, opening)
    stage.write("evaluation", found)
    stage.finish()
    return found


def _report_before_discharge(
    experiment: Experiment,
    model: tuple[FoldedNetwork, Calibrator],
    held_out: Table,
    folder: Path,
    opening: Opening,
) -> None:
    """The same stays as the hook usually meets them: where the patient goes is not written yet."""
    if UNTIL_DISCHARGE not in held_out.schema.names:
        return
    network, calibrator = model
    values = held_out.values.copy()
    values[:, held_out.schema.names.index(UNTIL_DISCHARGE)] = numpy.nan
    logits = logits_for(experiment, network, values)
    ours = Predictions(f"{OURS}, before discharge", "probability", calibrator.probability(logits))
    compared = Compared(held_out, (ours,), calibrator.interval(logits))
    label = experiment.settings.label
    _reported(experiment, compared, label, folder / "before_discharge", opening)


@dataclass(frozen=True)
class Compared:
    """The rows of held_out and what each predictor says of them, ours first with its interval."""

    held_out: Table
    predictions: tuple[Predictions, ...]
    interval: tuple[Floats, Floats]


def _reported(
    experiment: Experiment, compared: Compared, label: str, folder: Path, opening: Opening
) -> Evaluation:
    """The same predictions against one label, with a report in `folder`."""
    found = evaluate(
        compared.held_out,
        label,
        compared.predictions,
        intervals=compared.interval,
        settings=_settings(experiment, opening.today),
    )
    write_report(found, opening.facts, folder)
    return found


def finished_evaluation(experiment: Experiment) -> Evaluation:
    """What evaluate_model found. Raises RunError where it has not ended."""
    return experiment.run.finished("evaluate").read("evaluation", Evaluation)


def evaluate_ablation(experiment: Experiment, today: date) -> Ablation:
    """Every arm at every fraction of the labels, several seeds each; resumed cell by cell."""
    stage = _open(experiment, "ablation", today)
    held_out = experiment.table.split("held_out").labelled(experiment.settings.label)
    arms: Sequence[Arm] = ARMS if experiment.settings.alignment else ARMS[:2]
    runs = [
        _arm_run(experiment, arm, fraction, seed, held_out)
        for arm in arms
        for fraction in experiment.settings.evaluation.fractions
        for seed in range(experiment.settings.evaluation.ablation_seeds)
    ]
    found = ablate(held_out, experiment.settings.label, runs, settings=_settings(experiment, today))
    stage.write("ablation", found)
    write_bytes(stage.folder / "ablation.md", ablation_page(found).encode())
    stage.finish()
    return found


def _open(experiment: Experiment, name: str, today: date) -> Stage:
    """A killed evaluation may go on: its settings are those of the run folder."""
    stage = experiment.run.stage(name)
    if stage.done:
        opened = (stage.folder / _OPENED).read_text().strip()
        remedy = "Read its report; to change the model, begin a new run and say that it is one"
        raise SealedError(stage.folder, f"held_out was opened for it on {opened}", remedy)
    if not (stage.folder / _OPENED).exists():
        write_bytes(stage.folder / _OPENED, f"{today.isoformat()}\n".encode())
    return stage


def _settings(experiment: Experiment, today: date) -> EvaluationSettings:
    settings = experiment.settings
    return EvaluationSettings(
        cohort=settings.name,
        split="held_out",
        evaluated_on=today,
        synthetic=settings.release.synthetic,
        resamples=settings.evaluation.resamples,
        seed=experiment.seed("bootstrap") % 2**32,
        thresholds=settings.evaluation.thresholds,
        extra_axes=tuple(name for name in _AXES if name in experiment.table.schema.names),
    )


def _chosen(experiment: Experiment) -> list[str]:
    wanted = experiment.settings.evaluation.baselines
    there = available(experiment.table, tabnet=True)
    return [name for name in wanted if name in there]


def _baseline(experiment: Experiment, stage: Stage, name: str, rows: Table) -> Predictions:
    if not (stage.folder / f"{name}.json").exists():
        experiment.progress(f"baseline {name}", 0, 1)
        seed = experiment.seed("baselines") % 2**31
        found = fit_predict(
            name,
            experiment.table,
            experiment.settings.label,
            rows=rows,
            settings=BaselineSettings(seed=seed),
        )
        values = [None if numpy.isnan(each) else float(each) for each in found.values]
        stage.write(name, _Kept(found.name, found.kind, values))
        experiment.progress(f"baseline {name}", 1, 1)
    return stage.read(name, _Kept).predictions()


class _Kept(msgspec.Struct):
    """A baseline's predictions on disk."""

    name: str
    kind: Kind
    values: list[float | None]

    def predictions(self) -> Predictions:
        values = [numpy.nan if each is None else each for each in self.values]
        return Predictions(self.name, self.kind, numpy.array(values))


def _arm_run(
    experiment: Experiment, arm: Arm, fraction: float, seed: int, held_out: Table
) -> ArmRun:
    train = experiment.train.labelled(experiment.settings.label)
    part = train.rows(label_subset(train, fraction, seed))
    positives = int(part.labels[experiment.settings.label].sum())
    values: Floats = numpy.full(len(held_out), part.labels[experiment.settings.label].mean())
    if 0 < positives < len(part):
        start, name = start_of(experiment, arm), f"ablation/{arm}/{fraction:g}"
        members = finetune(experiment, start, name=name, train=part, members=1, first=seed)
        logits = logits_for(experiment, network_of(experiment, members), held_out.values)
        values = expit(logits.mean(0))
    return ArmRun(arm, fraction, seed, positives, values)


def report_folder(experiment: Experiment) -> Path:
    """Where the report lies."""
    return experiment.run.folder / "evaluate"
