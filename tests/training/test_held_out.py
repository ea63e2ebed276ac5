"""held_out is opened once for a model, and once for an ablation; a killed evaluation may go on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import polars
import pytest

from tests.training.command_line import Called, prepared, refused, stage
from tests.training.small_runs import LABEL, SETTINGS, changed, small_table, with_fit
from training import verdicts
from training.baselines import fit_predict
from training.evaluation import evaluate

pytestmark = pytest.mark.sampled(3)

BASELINES = ("two_admissions", "lace", "logistic")


class Killed(BaseException):
    """What no part of the program may catch."""


def trained(folder: Path, **evaluation: Any) -> Path:
    """A run that is not evaluated yet."""
    told = changed(with_fit(SETTINGS, epochs=1), evaluation={"baselines": BASELINES} | evaluation)
    prepared(folder, told)
    for name in ("pretrain", "finetune"):
        assert stage(name, folder).code == 0
    return folder


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("held_out"))


@pytest.fixture
def ready(once: Path, tmp_path: Path) -> Path:
    """The same run for every test, each with a copy of its own."""
    return shutil.copytree(once, tmp_path / "own")


@pytest.fixture(scope="module")
def whole(once: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What an evaluation that nobody kills leaves behind."""
    folder = shutil.copytree(once, tmp_path_factory.mktemp("whole") / "own")
    assert stage("evaluate", folder).code == 0
    return found(folder)


def found(folder: Path, name: str = "evaluate") -> dict[str, bytes]:
    return {
        each.name: each.read_bytes() for each in (folder / "run" / name).iterdir() if each.is_file()
    }


def killed_at(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    calls = 0

    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise Killed
        return function(*args, **kwargs)

    return call


def test_a_second_evaluation_is_refused_and_changes_nothing(ready: Path) -> None:
    assert stage("evaluate", ready).code == 0
    before = found(ready)
    again = stage("evaluate", ready)
    assert again.code == 1
    assert "held_out was opened for it on 2026-11-21" in again.err
    assert "begin a new run" in again.err
    assert found(ready) == before


@pytest.mark.slow
def test_the_ablation_may_come_later_and_once(ready: Path) -> None:
    assert stage("evaluate", ready).code == 0
    assert stage("evaluate", ready, "--ablation").code == 0
    before = found(ready, "ablation")
    again = stage("evaluate", ready, "--ablation")
    assert again.code == 1
    assert "held_out was opened" in again.err
    assert found(ready, "ablation") == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number"),
    [("logits_for", 1), ("fit_predict", 2), ("evaluate", 1), ("write_report", 1)],
)
def test_an_evaluation_that_was_killed_goes_on_to_the_same_report(
    name: str,
    number: int,
    whole: dict[str, bytes],
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(verdicts, name, killed_at(getattr(verdicts, name), number))
        with pytest.raises(Killed):
            stage("evaluate", ready)
    assert "DONE" not in found(ready)
    assert stage("evaluate", ready).code == 0
    assert found(ready) == whole


@pytest.mark.slow
def test_baselines_that_are_done_are_not_fitted_again(
    ready: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[str] = []

    def watched(name: str, *args: Any, **kwargs: Any) -> Any:
        fitted.append(name)
        return fit_predict(name, *args, **kwargs)

    monkeypatch.setattr(verdicts, "fit_predict", watched)
    with monkeypatch.context() as patch:
        patch.setattr(verdicts, "evaluate", killed_at(evaluate, 1))
        with pytest.raises(Killed):
            stage("evaluate", ready)
    assert stage("evaluate", ready).code == 0
    assert fitted == [*BASELINES]


@pytest.mark.slow
def test_seeds_of_the_ablation_are_seeds_of_the_model_too(tmp_path: Path) -> None:
    """With all labels there is nothing else in which they could differ."""
    trained(tmp_path, ablation_seeds=2, fractions=(1.0,))
    assert stage("evaluate", tmp_path, "--ablation").code == 0
    cells = tmp_path / "run" / "ablation" / "masked" / "1"
    one, other = (cells / name / "member.safetensors" for name in ("0", "1"))
    assert one.read_bytes() != other.read_bytes()


def test_a_share_of_the_labels_too_small_to_learn_from_is_no_failure(tmp_path: Path) -> None:
    trained(tmp_path, fractions=(0.001, 1.0))
    result: Called = stage("evaluate", tmp_path, "--ablation")
    assert result.code == 0, result.err


def test_a_baseline_that_there_is_not_is_told_before_anything_is_made(tmp_path: Path) -> None:
    prepared(tmp_path, changed(SETTINGS, evaluation={"baselines": ("tea_leaves",)}))
    said = refused(stage("pretrain", tmp_path))
    assert "tea_leaves" in said
    assert "$.evaluation.baselines" in said
    assert not (tmp_path / "run" / "pretrain").exists()


def test_the_report_is_of_the_held_out_stays_that_have_the_label(whole: dict[str, bytes]) -> None:
    said = json.loads(whole["evaluation.json"])
    table = small_table().split("held_out")
    assert said["cohort"]["rows"] == len(table)
    assert said["cohort"]["split"] == "held_out"
    assert said["cohort"]["positives"] == int(numpy.nansum(table.labels[LABEL]))


def test_a_cohort_that_was_rebuilt_is_not_mixed_with_what_was_trained(tmp_path: Path) -> None:
    trained(tmp_path)
    vectors = tmp_path / "run" / "cohort" / "vectors.parquet"
    rows = polars.read_parquet(vectors)
    rows.reverse().write_parquet(vectors)
    said = refused(stage("evaluate", tmp_path))
    assert "is not the cohort that this run was trained on" in said
    assert not (tmp_path / "run" / "evaluate").exists()
