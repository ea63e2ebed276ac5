"""What each command of readmit-train does, from the run folder to the run folder."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import numpy
from numpy.typing import NDArray

from model.bundle import Bundle, load_bundle
from training.appraisal.cards import model_card, tripod_ai
from training.appraisal.facts import FlowStep, RunFacts, SplitSize
from training.cohorts.flow import WORDS, Flow
from training.errors import CohortError, RunError
from training.experiment import Experiment
from training.fitting.world import ALONE, World
from training.learners import full_arm, starts_of
from training.release import Learnt, check_releasable, release
from training.report import NUMBERS, PAGE
from training.runs import Run, environment
from training.sources import experiment_of, flow_of_run, make_cohort, source_in_words
from training.stages import calibrate, finetune_each, network_of
from training.subjects import Progress
from training.tables import SPLITS
from training.verdicts import (
    Opening,
    evaluate_ablation,
    evaluate_model,
    finished_evaluation,
    report_folder,
)

_LOCATIONS = ("path", "ed", "note")
_FOLDERS = (("alignment", "text_model"), ("release", "published"))


@dataclass(frozen=True)
class Session:
    """One call of the command line: the run, the date, and whom to tell how far it is."""

    run: Run
    today: date
    progress: Progress
    world: World = ALONE

    @property
    def experiment(self) -> Experiment:
        """The run's table and settings."""
        return experiment_of(self.run, self.progress, self.world)


def do_cohort(session: Session) -> str:
    """Cohort, splits and flow."""
    with session.world.in_turn():
        flow = make_cohort(session.run, session.progress).flow
    return f"{flow.kept} of {flow.stays} stays of {flow.kept_subjects} patients"


def do_pretrain(session: Session) -> str:
    """Stage 1."""
    starts_of(session.experiment, "masked")
    return "the encoder reconstructs masked concepts"


def do_align(session: Session) -> str:
    """Stage 2, from stage 1's weights."""
    _pretrained(session, "pretrain")
    starts_of(session.experiment, "masked+contrastive")
    return "records and discharge summaries are aligned"


def do_finetune(session: Session) -> str:
    """Stage 3: all members, then the calibrator."""
    _pretrained(session, "align" if session.run.settings.alignment else "pretrain")
    learnt = _learnt(session.experiment)
    return f"{len(learnt.members)} members, calibrated on {learnt.calibrator.rows} stays"


def do_evaluate(session: Session, *, ablation: bool = False) -> str:
    """Opens held_out, once; with `ablation` compares the ways to start too. One process does it."""
    experiment = replace(session, world=ALONE).experiment
    if not session.world.first:
        return str(report_folder(experiment) / PAGE)
    for name in ("calibrate", *(f"finetune/{i}" for i in range(_members(experiment)))):
        session.run.finished(name)
    if not (ablation and session.run.stage("evaluate").done):
        learnt = _learnt(experiment)
        network = network_of(experiment, learnt.members)
        opening = Opening(session.today, _facts(experiment, session.today))
        evaluate_model(experiment, network, learnt.calibrator, opening)
    if ablation:
        evaluate_ablation(experiment, session.today)
    return str(report_folder(experiment) / PAGE)


def do_release(session: Session, out: Path) -> Bundle:
    """The bundle, with what the evaluation found in its card."""
    with session.world.in_turn():
        if session.world.first:
            return _released(replace(session, world=ALONE).experiment, session.today, out)
        return load_bundle(out)


def _released(experiment: Experiment, today: date, out: Path) -> Bundle:
    found = finished_evaluation(experiment)
    learnt = _learnt(experiment)
    holds = found.interval_verdict == "holds"
    calibrator = msgspec.structs.replace(learnt.calibrator, interval_holds=holds)
    facts = _facts(experiment, today)
    return release(
        experiment,
        Learnt(learnt.members, calibrator),
        out,
        created=today,
        card=model_card(facts, found),
        pages={
            "TRIPOD_AI.md": tripod_ai(facts, found).encode(),
            "evaluation.json": (report_folder(experiment) / NUMBERS).read_bytes(),
        },
    )


def do_everything(session: Session, out: Path) -> Bundle:
    """All stages in order; those that are done are skipped."""
    released = session.run.stage("release")
    if not released.done:
        check_releasable(session.run.settings, out)
    stages: list[Callable[[Session], str]] = [do_cohort, do_pretrain]
    stages += [do_align] if session.run.settings.alignment else []
    for stage in (*stages, do_finetune):
        stage(session)
    if not session.run.stage("evaluate").done:
        do_evaluate(session)
    clear_frozen_text(session.run)
    if released.done and out.exists():
        return _same(out, released.read("bundle", str))
    bundle = do_release(session, out)
    if session.world.first:
        released.write("bundle", bundle.digest)
        released.finish()
    return bundle


def _same(out: Path, digest: str) -> Bundle:
    """The bundle that this run released before. Raises RunError where it is another."""
    bundle = load_bundle(out)
    if bundle.digest != digest:
        raise RunError(out, "holds another bundle than this run's", "Choose a new folder")
    return bundle


def clear_frozen_text(run: Run) -> None:
    """The frozen layers' outputs are large and can be made again."""
    shutil.rmtree(run.folder / "frozen_text", ignore_errors=True)


def _pretrained(session: Session, stage: str) -> None:
    """Raises RunError where a run of `stage` has not ended."""
    runs = session.run.settings.pretraining.runs
    for name in [stage] if runs == 1 else [f"{stage}/{run}" for run in range(runs)]:
        session.run.finished(name)


def _members(experiment: Experiment) -> int:
    return experiment.settings.finetuning.members


def _learnt(experiment: Experiment) -> Learnt:
    members = finetune_each(experiment, starts_of(experiment, full_arm(experiment)))
    return Learnt(members, calibrate(experiment, network_of(experiment, members)))


def _facts(experiment: Experiment, today: date) -> RunFacts:
    settings, flow = experiment.settings, flow_of_run(experiment.run)
    stated = settings.release
    return RunFacts(
        title=stated.title,
        task=settings.task,
        variant=settings.variant if settings.task == "critical_outcome" else "",
        bundle=f"{stated.name} {stated.version}",
        data_source=source_in_words(settings),
        synthetic=stated.synthetic,
        made_on=today.isoformat(),
        outcome=stated.outcome,
        population=stated.population,
        model=_model_in_words(experiment),
        data_from=_day(experiment, min),
        data_until=_day(experiment, max),
        features=len(experiment.table.schema),
        flow=_flow_steps(flow),
        splits=_split_sizes(experiment),
        seeds=(settings.seed,),
        settings=_without_paths(msgspec.to_builtins(settings)),
        environment=dict(line.split(" ", 1) for line in environment().splitlines()),
    )


def _day(experiment: Experiment, end: Callable[[NDArray[Any]], Any]) -> str:
    """First or last discharge; MIMIC's dates are shifted and say nothing."""
    if experiment.settings.cohort.reader == "mimic_iv":
        return ""
    return str(numpy.datetime_as_string(end(experiment.table.extras["prediction_time"]), unit="D"))


def _model_in_words(experiment: Experiment) -> str:
    stages = {
        "masked": "pretrained by masked reconstruction; no contrastive stage",
        "masked+contrastive": "pretrained by masked reconstruction, then contrastively against "
        "discharge summaries",
    }
    members = _members(experiment)
    return f"TabNet, {stages[full_arm(experiment)]}; {members} members averaged as logits"


def _flow_steps(flow: Flow) -> tuple[FlowStep, ...]:
    left_out = sorted(flow.excluded.items(), key=lambda each: (-each[1], each[0]))
    return (
        FlowStep("all stays", flow.stays),
        *(FlowStep(f"left out: {WORDS.get(reason, reason)}", n) for reason, n in left_out),
        FlowStep("in the cohort", flow.kept),
    )


def _split_sizes(experiment: Experiment) -> tuple[SplitSize, ...]:
    label = experiment.settings.label
    if label not in experiment.table.labels:
        raise CohortError("label", f"the cohort has no {label}", "Correct the TOML")
    parts = ((name, experiment.table.split(name).labelled(label)) for name in SPLITS)
    return tuple(
        SplitSize(name, len(part), len({*part.subjects}), int(part.labels[label].sum()))
        for name, part in parts
    )


def _without_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """Where somebody keeps his files is nobody's business: of a folder its name is left."""
    kept = copy.deepcopy(settings)
    for name in _LOCATIONS:
        kept["cohort"].pop(name, None)
    for section, name in _FOLDERS:
        if kept.get(section) and Path(kept[section][name]).is_dir():
            kept[section][name] = Path(kept[section][name]).name
    return kept
