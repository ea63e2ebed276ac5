"""The stages of the paper, each a folder of the run: resumed where it was killed, skipped when done.

A `start` is an encoder's weights, or None for weights drawn at random.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.calibration import Calibrator
from model.classifier import Classifier
from model.folded import FoldedNetwork, fold
from model.masking import Reconstructor
from model.text import TextEncoder, TextModelError, load_text_model
from training.calibration import fit_calibrator
from training.contrastive_pretraining import Contrast, TwoTowers
from training.errors import CohortError, SettingError
from training.experiment import Experiment
from training.finetuning import Classification, resampled
from training.loop import fit
from training.masked_pretraining import Reconstruction
from training.notes_corpus import Corpus, keep_prefixes, tokenise
from training.runs import Stage
from training.settings import Alignment
from training.tables import Floats, Table
from training.text_models import text_model_folder

Start = Mapping[str, Tensor] | None


def pretrain(experiment: Experiment, name: str = "pretrain") -> Mapping[str, Tensor]:
    """Stage 1: masked reconstruction of train's stays. Returns the encoder's weights."""
    stage, settings = experiment.run.stage(name), experiment.settings
    if not stage.done:
        encoder = experiment.encoder(None, name)
        module = Reconstructor(encoder, experiment.table.schema, settings.encoder)
        objective = Reconstruction(
            module.to(experiment.device),
            experiment.inputs(experiment.train),
            experiment.inputs(experiment.selection),
            batch=settings.pretraining.fit.batch,
            mask_ratio=settings.pretraining.mask_ratio,
            seed=experiment.seed("masks", name),
            world=experiment.world,
        )
        fit(
            objective,
            settings.pretraining.fit,
            stage,
            seed=experiment.seed(name),
            progress=experiment.progress,
            world=experiment.world,
        )
        encoder.embed.silence_unseen(experiment.inputs(experiment.train))
        _end(experiment, stage, encoder.state_dict())
    return stage.load("encoder")


def align(experiment: Experiment, start: Start, name: str = "align") -> Mapping[str, Tensor]:
    """Stage 2: contrastive pretraining on stays that have a discharge summary."""
    stage, settings = experiment.run.stage(name), _alignment(experiment)
    if not stage.done:
        text, tokenizer = _text_model(settings)
        module = TwoTowers(experiment.encoder(start, name), text).to(experiment.device)
        folder = experiment.run.stage("frozen_text").folder
        train, selection = (
            _with_notes(experiment, part, f"{name}, {part_name}")
            for part, part_name in ((experiment.train, "train"), (experiment.selection, "tuning"))
        )
        corpora = [_corpus(experiment, tokenizer, part) for part in (train, selection)]
        if settings.cached_prefix:
            with experiment.world.in_turn():
                for corpus in corpora:
                    keep_prefixes(corpus, text, folder, experiment.progress)
        objective = Contrast(
            module,
            (experiment.inputs(train), corpora[0], train.subjects.tolist()),
            (experiment.inputs(selection), corpora[1]),
            settings=settings,
            world=experiment.world,
        )
        fit(
            objective,
            settings.fit,
            stage,
            seed=experiment.seed(name),
            progress=experiment.progress,
            world=experiment.world,
        )
        module.encoder.embed.silence_unseen(experiment.inputs(experiment.train))
        _end(experiment, stage, module.encoder.state_dict())
    return stage.load("encoder")


def finetune(
    experiment: Experiment,
    start: Start,
    *,
    name: str = "finetune",
    train: Table | None = None,
    members: int | None = None,
    first: int = 0,
) -> list[Mapping[str, Tensor]]:
    """Stage 3: members of the classifier, each with its own seed. Returns their weights."""
    count = experiment.settings.finetuning.members if members is None else members
    return finetune_each(experiment, [start] * count, name=name, train=train, first=first)


def finetune_each(
    experiment: Experiment,
    starts: Sequence[Start],
    *,
    name: str = "finetune",
    train: Table | None = None,
    first: int = 0,
) -> list[Mapping[str, Tensor]]:
    """As finetune, a start for each member. `first`: the number of the first member, which its
    seed goes by."""
    rows = _both_classes(experiment, experiment.train if train is None else train, "train")
    return [
        _member(experiment, start, rows, f"{name}/{member}")
        for member, start in enumerate(starts, first)
    ]


def network_of(experiment: Experiment, members: Sequence[Mapping[str, Tensor]]) -> FoldedNetwork:
    """The members as the network that will serve."""
    return fold(experiment.table.schema, experiment.settings.encoder, members)


def logits_for(experiment: Experiment, network: FoldedNetwork, values: Floats) -> Floats:
    """(rows, columns) as a table holds them -> (members, rows), by the network that will serve."""
    prepared = experiment.preprocessing.apply(experiment.table.schema, values)
    with torch.inference_mode():
        parts = [network.logits(rows) for rows in torch.split(torch.from_numpy(prepared), 4096)]
    return torch.cat(parts, dim=1).double().numpy()


def calibrate(
    experiment: Experiment, network: FoldedNetwork, name: str = "calibrate"
) -> Calibrator:
    """The calibrator, fitted on its own slice of tuning."""
    stage = experiment.run.stage(name)
    with experiment.world.in_turn():
        if not stage.done:
            rows = _both_classes(experiment, experiment.calibration, "tuning, calibration slice")
            labels = rows.labels[experiment.settings.label]
            logits = logits_for(experiment, network, rows.values)
            spread = experiment.settings.calibration.spread
            stage.write("calibrator", fit_calibrator(logits, labels, spread=spread))
            stage.finish()
    return stage.read("calibrator", Calibrator)


def _member(experiment: Experiment, start: Start, train: Table, name: str) -> Mapping[str, Tensor]:
    stage, settings = experiment.run.stage(name), experiment.settings.finetuning
    if not stage.done:
        seed = experiment.seed("finetune", name.rsplit("/", 1)[-1])
        chosen = resampled(train.subjects, seed) if settings.resample else numpy.arange(len(train))
        encoder = experiment.encoder(start, f"member {seed}")
        outputs = 2 if settings.auxiliary else 1
        module = Classifier(encoder, settings.hidden, settings.dropout, outputs)
        if settings.freeze and start is not None:
            module.freeze_feature_parts()
        selection = _both_classes(experiment, experiment.selection, "tuning, selection slice")
        parts = (train.rows(chosen), selection)
        objective = Classification(
            module.to(experiment.device),
            *((experiment.inputs(part), _labels(experiment, part)) for part in parts),
            settings=settings,
            layout=experiment.layout,
            world=experiment.world,
        )
        fit(
            objective,
            settings.fit,
            stage,
            seed=seed,
            progress=experiment.progress,
            world=experiment.world,
        )
        if not module.frozen:
            encoder.embed.silence_unseen(experiment.inputs(train))
        _end(experiment, stage, module.state_dict(), "member")
    return stage.load("member")


def _labels(experiment: Experiment, table: Table) -> Tensor:
    names = [experiment.settings.label, experiment.settings.finetuning.auxiliary]
    columns = [table.labels[name] for name in names if name]
    stacked: NDArray[numpy.float32] = numpy.stack(columns, axis=1).astype(numpy.float32)
    return torch.from_numpy(stacked).to(experiment.device)


def _both_classes(experiment: Experiment, table: Table, where: str) -> Table:
    label, auxiliary = experiment.settings.label, experiment.settings.finetuning.auxiliary
    known = ", ".join(table.labels)
    for setting, name in (("label", label), ("finetuning.auxiliary", auxiliary or label)):
        if name not in table.labels:
            raise SettingError(setting, f"{name!r} is no label of the cohort", f"Choose of {known}")
    labelled = table.labelled(label)
    if not 0 < labelled.labels[label].sum() < len(labelled):
        problem = f"{len(labelled)} stays have the label {label}, and not of both classes"
        raise CohortError(where, problem, "Use a larger cohort, or another label")
    return labelled


def _alignment(experiment: Experiment) -> Alignment:
    if experiment.settings.alignment is None:
        problem = "is not in the TOML, so there is no stage 2"
        raise SettingError("alignment", problem, "Add it, or go on with finetune")
    return experiment.settings.alignment


def _text_model(settings: Alignment) -> tuple[TextEncoder, Any]:
    try:
        return load_text_model(text_model_folder(settings.text_model), settings.trainable_layers)
    except TextModelError as error:
        raise SettingError("alignment.text_model", str(error), "Correct the TOML") from error


def _with_notes(experiment: Experiment, table: Table, where: str) -> Table:
    chosen = table.rows(numpy.isin(table.stays, list(experiment.notes)))
    if len({*chosen.subjects}) < 2:
        problem = f"{len(chosen)} of {len(table)} stays have a discharge summary"
        remedy = "Give the notes, or leave [alignment] out of the TOML: stage 2 is then skipped"
        raise CohortError(where, problem, remedy)
    return chosen


def _corpus(experiment: Experiment, tokenizer: object, table: Table) -> Corpus:
    texts = [experiment.notes[stay] for stay in table.stays]
    return tokenise(tokenizer, texts, _alignment(experiment).most_chunks)


def _end(
    experiment: Experiment, stage: Stage, weights: Mapping[str, Tensor], name: str = "encoder"
) -> None:
    if experiment.world.first:
        stage.save(name, weights)
        stage.finish()
    experiment.world.barrier()
