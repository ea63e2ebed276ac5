"""What can go wrong is said in one line that names the file or setting, and leaves no halves."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.training import small_exports
from tests.training.command_line import (
    ONCE,
    call,
    configured,
    nothing_by_halves,
    prepared,
    refused,
    stage,
)
from tests.training.small_runs import (
    LABEL,
    SETTINGS,
    STAGES,
    aligned,
    changed,
    experiment,
    small_table,
    with_fit,
)
from training import loop
from training.errors import DivergedError, RunError, TrainingError
from training.masked_pretraining import Reconstruction
from training.settings import Settings, as_toml
from training.splits import tuning_slice
from training.tables import Flags, Table

pytestmark = pytest.mark.sampled(6)

TABLE = small_table()
SLICES = numpy.array([tuning_slice(each) for each in TABLE.subjects.tolist()])
TUNING = TABLE.splits == "tuning"


# The TOML


def toml(folder: Path, change: Callable[[str], str]) -> Path:
    configured(folder, SETTINGS)
    file = folder / "run.toml"
    file.write_text(change(file.read_text()))
    return folder


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: "colour = 1\n" + text, "unknown field `colour`"),
        (lambda text: text.replace("members = 2", "member = 2"), "unknown field `member`"),
        (lambda text: text.replace("members = 2", 'members = "2"'), "$.finetuning.members"),
        (lambda text: text.replace("members = 2", "members = 0"), "$.finetuning.members"),
        (lambda text: text.replace('device = "cpu"', 'device = "tpu"'), "$.device"),
        (lambda text: text.replace("[encoder]", "[encodings]"), "encod"),
        (lambda text: text.replace("seed = 7", "seed = "), "line "),
        (lambda text: text.replace("synthetic = true", ""), "synthetic"),
    ],
    ids=range(8),
)
def test_a_wrong_toml_names_the_setting(
    change: Callable[[str], str], words: str, tmp_path: Path
) -> None:
    said = refused(stage("pretrain", toml(tmp_path, change)))
    assert str(tmp_path / "run.toml") in said
    assert words in said
    assert not (tmp_path / "run").exists()


def test_a_toml_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = refused(stage("pretrain", tmp_path))
    assert str(tmp_path / "run.toml") in said
    assert "cannot be read" in said


def test_a_toml_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_bytes(b"\xff\xfe\x00")
    assert str(tmp_path / "run.toml") in refused(stage("pretrain", tmp_path))


# The run folder


def test_a_run_folder_of_other_settings_is_refused_and_stays_as_it_was(tmp_path: Path) -> None:
    prepared(tmp_path)
    assert stage("pretrain", tmp_path).code == 0
    before = {f: f.read_bytes() for f in tmp_path.rglob("run/**/*") if f.is_file()}
    (tmp_path / "run.toml").write_bytes(as_toml(changed(ONCE, seed=8)))
    said = refused(stage("finetune", tmp_path))
    assert f"{tmp_path / 'run'}: was begun with other settings" in said
    assert {f: f.read_bytes() for f in tmp_path.rglob("run/**/*") if f.is_file()} == before


def test_a_run_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    configured(tmp_path, ONCE)
    (tmp_path / "run").write_text("mine")
    assert f"{tmp_path / 'run'}: cannot be written" in refused(stage("pretrain", tmp_path))
    assert (tmp_path / "run").read_text() == "mine"


def test_a_cohort_that_is_not_finished_names_the_command(tmp_path: Path) -> None:
    configured(tmp_path, ONCE)
    said = refused(stage("pretrain", tmp_path))
    assert f"{tmp_path / 'run' / 'cohort'}: no finished cohort is here" in said
    assert "cohort command" in said


@pytest.mark.parametrize(("name", "missing"), [("finetune", "pretrain"), ("evaluate", "calibrate")])
def test_a_stage_before_it_that_is_not_finished_is_named_with_its_command(
    name: str, missing: str, tmp_path: Path
) -> None:
    said = refused(stage(name, prepared(tmp_path)))
    assert f"{tmp_path / 'run' / missing}: this stage has not ended" in said
    assert "`readmit-train " in said
    nothing_by_halves(tmp_path, name)


def test_alignment_needs_pretraining_and_release_an_evaluation(
    bert_folder: Path, tmp_path: Path
) -> None:
    prepared(tmp_path, aligned(bert_folder, ONCE))
    assert "`readmit-train pretrain`" in refused(stage("align", tmp_path))
    said = refused(stage("release", tmp_path, "--out", tmp_path / "out"))
    assert "`readmit-train evaluate`" in said
    assert not (tmp_path / "out").exists()


def test_the_command_that_a_remedy_names_exists(tmp_path: Path) -> None:
    for name in ("finetune", "evaluate"):
        command = re.search(
            r"`readmit-train (\w+)`", refused(stage(name, prepared(tmp_path / name)))
        )
        assert command is not None
        assert call(command[1], "--help").code == 0


# The cohort


def one_class(rows: Flags) -> Table:
    """Nobody of these rows has the outcome."""
    labels = {name: numpy.where(rows, 0.0, label) for name, label in TABLE.labels.items()}
    return replace(TABLE, labels=labels)


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        (TABLE.splits == "train", "train: "),
        (TUNING & (SLICES == "selection"), "tuning, selection slice: "),
        (TUNING & (SLICES == "calibration"), "tuning, calibration slice: "),
    ],
    ids=["train", "selection", "calibration"],
)
def test_labels_of_one_class_name_the_part(rows: Flags, where: str, tmp_path: Path) -> None:
    prepared(tmp_path, table=one_class(rows))
    assert stage("pretrain", tmp_path).code == 0
    said = refused(stage("finetune", tmp_path))
    assert where in said
    assert f"have the label {LABEL}, and not of both classes" in said
    nothing_by_halves(tmp_path, "calibrate")


def test_held_out_labels_of_one_class_do_not_end_in_a_traceback(tmp_path: Path) -> None:
    prepared(tmp_path, table=one_class(TABLE.splits == "held_out"))
    for name in ("pretrain", "finetune"):
        assert stage(name, tmp_path).code == 0
    result = stage("evaluate", tmp_path)
    assert result.code == 0 or refused(result)


@pytest.mark.parametrize(
    ("kept", "where"),
    [
        (numpy.zeros(len(TABLE), dtype=bool), "train"),
        (TABLE.splits == "train", "tuning, selection slice"),
        (TABLE.splits != "train", "train"),
    ],
    ids=["empty", "no tuning", "no train"],
)
def test_a_part_without_stays_is_named(kept: Flags, where: str, tmp_path: Path) -> None:
    prepared(tmp_path, table=TABLE.rows(kept))
    said = refused(stage("pretrain", tmp_path))
    assert f"{where}: 0 stays are in it" in said
    nothing_by_halves(tmp_path, "pretrain")


def test_a_label_that_the_cohort_has_not_is_named(tmp_path: Path) -> None:
    prepared(tmp_path, changed(ONCE, label="sepsis"))
    assert stage("pretrain", tmp_path).code == 0
    said = refused(stage("finetune", tmp_path))
    assert "label: 'sepsis' is no label of the cohort" in said
    assert LABEL in said


def test_a_feature_to_leave_out_that_there_is_not_is_named(tmp_path: Path) -> None:
    prepared(tmp_path, changed(ONCE, cohort={"exclude": ("age", "shoe_size")}))
    assert "cohort.exclude: no features: shoe_size" in refused(stage("pretrain", tmp_path))


def exported(folder: Path, settings: Settings, people: int, *, notes: bool = True) -> Path:
    """A FHIR export and a config that names it."""
    export = small_exports.written(folder / "export" / "all.ndjson", people, notes=notes)
    return configured(folder, changed(settings, cohort={"path": str(export), "shards": 2}))


def test_a_cohort_without_notes_is_refused_where_there_is_a_stage_2(
    bert_folder: Path, tmp_path: Path
) -> None:
    exported(tmp_path, aligned(bert_folder, ONCE), 20, notes=False)
    said = refused(stage("cohort", tmp_path))
    assert "has a discharge summary" in said
    nothing_by_halves(tmp_path, "cohort")


def test_a_cohort_of_stays_that_all_are_left_out_says_why(tmp_path: Path) -> None:
    follow_up = {"follow_up_until": "2024-01-15"}
    exported(tmp_path, changed(ONCE, cohort=follow_up), 20)
    said = refused(stage("cohort", tmp_path))
    assert "no stay is left of" in said
    assert "Most are left out as: " in said
    nothing_by_halves(tmp_path, "cohort")


@pytest.mark.parametrize(
    ("cohort", "words"),
    [
        ({"path": "/nowhere/at/all"}, "/nowhere/at/all: "),
        ({"follow_up_until": "soon"}, "cohort.follow_up_until: is no date or time"),
        ({"profile": "no_such"}, "no_such"),
    ],
    ids=["path", "follow-up", "profile"],
)
def test_a_setting_of_the_cohort_that_cannot_be_used_is_named(
    cohort: dict[str, str], words: str, tmp_path: Path
) -> None:
    export = small_exports.written(tmp_path / "export" / "all.ndjson", 2)
    configured(tmp_path, changed(ONCE, cohort={"path": str(export)} | cohort))
    assert words in refused(stage("cohort", tmp_path))
    nothing_by_halves(tmp_path, "cohort")


# Stage 2


def test_alignment_without_notes_says_how_to_go_on(bert_folder: Path, tmp_path: Path) -> None:
    prepared(tmp_path, aligned(bert_folder, ONCE), notes={"s0": "fever"})
    assert stage("pretrain", tmp_path).code == 0
    said = refused(stage("align", tmp_path))
    assert "align, train" in said
    assert "leave [alignment] out" in said
    nothing_by_halves(tmp_path, "align")


def test_alignment_that_the_toml_has_not_is_told_so(tmp_path: Path) -> None:
    prepared(tmp_path)
    assert stage("pretrain", tmp_path).code == 0
    assert "alignment: is not in the TOML" in refused(stage("align", tmp_path))


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("/nowhere/at/all", "/nowhere/at/all: no text model"),
        ("package:no_such_package", "package no_such_package is not installed"),
    ],
)
def test_a_text_model_that_is_not_there_is_named(model: str, words: str, tmp_path: Path) -> None:
    prepared(tmp_path, aligned(Path(model), ONCE))
    assert stage("pretrain", tmp_path).code == 0
    said = refused(stage("align", tmp_path))
    assert "alignment.text_model: " in said
    assert words in said
    nothing_by_halves(tmp_path, "align")


def test_more_trainable_layers_than_the_text_model_has_are_refused(
    bert_folder: Path, tmp_path: Path
) -> None:
    prepared(tmp_path, aligned(bert_folder, ONCE, trainable_layers=9))
    assert stage("pretrain", tmp_path).code == 0
    assert "trainable_layers is 9" in refused(stage("align", tmp_path))


# While it runs


def test_a_loss_that_is_no_number_stops_the_stage_and_it_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, calls = with_fit(SETTINGS, epochs=3), 0
    backward = Reconstruction.backward

    def failing(self: Reconstruction, *given: Any) -> float:
        nonlocal calls
        calls += 1
        loss = backward(self, *given)
        return loss if calls <= 6 else float("nan")

    prepared(tmp_path / "whole", settings)
    assert stage("pretrain", tmp_path / "whole").code == 0
    prepared(tmp_path / "failed", settings)
    with monkeypatch.context() as patch:
        patch.setattr(Reconstruction, "backward", failing)
        said = refused(stage("pretrain", tmp_path / "failed"))
    assert "epoch 1: the loss is no longer a number" in said
    nothing_by_halves(tmp_path / "failed", "pretrain")
    assert stage("pretrain", tmp_path / "failed").code == 0
    whole, failed = (tmp_path / name / "run" / "pretrain" for name in ("whole", "failed"))
    assert {f.name: f.read_bytes() for f in failed.iterdir()} == {
        f.name: f.read_bytes() for f in whole.iterdir()
    }


def test_a_selection_metric_that_is_no_number_stops_the_stage_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the first weights would be kept for good: nothing is larger than NaN."""
    nan = {"selection": float("nan"), "tuning_loss": float("nan")}
    monkeypatch.setattr(Reconstruction, "evaluate", lambda self: nan)
    with pytest.raises(DivergedError):
        STAGES["pretrain"](experiment(tmp_path))


@pytest.mark.parametrize("kept", [0, 8, 2_000], ids=["empty", "cut off", "half"])
def test_a_checkpoint_that_is_broken_is_named(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_keep_best", _interrupt(loop._keep_best, 2))
        with pytest.raises(KeyboardInterrupt):
            STAGES["pretrain"](experiment(tmp_path / "run", with_fit(SETTINGS, epochs=2)))
    file = tmp_path / "run" / "pretrain" / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(RunError, match=r"checkpoint\.safetensors: .*broken.* Delete the stage"):
        STAGES["pretrain"](experiment(tmp_path / "run", with_fit(SETTINGS, epochs=2)))


def _interrupt(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    calls = 0

    def call_(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise KeyboardInterrupt
        return function(*given)

    return call_


def test_every_error_tells_where_what_and_what_to_do() -> None:
    error = TrainingError("here", "it is wrong", "Mend it")
    assert str(error) == "here: it is wrong. Mend it."
    assert (error.where, error.problem, error.remedy) == ("here", "it is wrong", "Mend it")
