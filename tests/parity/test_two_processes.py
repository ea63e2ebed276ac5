"""Two processes that train together end where one ends that has the whole batch."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from model import load_bundle
from tests.conftest import ROOT
from tests.parity.one_of_two import train
from tests.training import small_exports, small_texts
from tests.training.command_line import configured
from tests.training.small_runs import aligned, changed, rows_of, with_fit
from training.fitting.world import ALONE
from training.runs import Stage

STAGES = {
    "pretrain": "encoder",
    "align": "encoder",
    "finetune/0": "member",
    "free/0": "member",
}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("one")
    small_texts.saved(folder / "bert", small_texts.bert())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    train(folder, ALONE)
    torch.set_num_threads(before)
    return folder / "run"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    small_texts.saved(folder / "bert", small_texts.bert())
    together([[sys.executable, "-m", "tests.parity.one_of_two", str(folder)]] * 2)
    return folder / "run"


def together(commands: list[list[str]]) -> list[str]:
    """As torchrun starts them, on this machine alone. What each said, if all ended well."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {
        "WORLD_SIZE": str(len(commands)),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",
    }
    running = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank, command in enumerate(commands)
    ]
    try:
        said = [each.communicate(timeout=300)[0] for each in running]
    finally:
        for each in running:
            each.kill()
    assert [each.returncode for each in running] == [0] * len(running), "\n\n".join(said)
    return said


def weights(run: Path, stage: str) -> dict[str, Tensor]:
    return load_file(run / stage / f"{STAGES[stage]}.safetensors")


def furthest(one: Path, two: Path, stage: str, ending: str = "") -> float:
    alone, together = weights(one, stage), weights(two, stage)
    assert alone.keys() == together.keys()
    names = [each for each in alone if each.endswith(ending) and not each.endswith("_tracked")]
    assert names
    return max(float((alone[name] - together[name]).abs().max()) for name in names)


@pytest.mark.parametrize("stage", STAGES)
def test_weights_are_those_of_one_process(stage: str, one: Path, two: Path) -> None:
    assert furthest(one, two, stage) < 1e-9


@pytest.mark.parametrize("ending", ["running_mean", "running_var"])
@pytest.mark.parametrize("stage", STAGES)
def test_batch_statistics_are_those_of_one_process(
    stage: str, ending: str, one: Path, two: Path
) -> None:
    assert furthest(one, two, stage, ending) < 1e-9


@pytest.mark.parametrize("stage", STAGES)
def test_losses_are_those_of_the_whole_batch(stage: str, one: Path, two: Path) -> None:
    """For alignment with the negatives of all processes, whose number the loss depends on."""
    alone, together = (rows_of(Stage(run / stage, stage)) for run in (one, two))
    assert len(alone) == len(together) == 2
    for row, other in zip(alone, together, strict=True):
        assert row == pytest.approx(other, abs=1e-9)


def test_a_whole_run_of_two_processes_writes_everything_once(tmp_path: Path) -> None:
    """From the data to the bundle; held_out is opened by one of them alone."""
    export = small_exports.written(tmp_path / "export" / "all.ndjson")
    text_model = small_texts.saved(tmp_path / "bert", small_texts.bert())
    told = with_fit(aligned(text_model), epochs=1)
    settings = changed(told, cohort={"path": str(export), "shards": 2})
    configured(tmp_path, settings)
    options = ["--config", str(tmp_path / "run.toml"), "--run", str(tmp_path / "run")]
    command = [sys.executable, "-m", "training.cli", "run", *options]
    said = together([[*command, "--out", str(tmp_path / "bundle")]] * 2)
    assert str(tmp_path / "bundle") in said[0].splitlines()
    assert said[1] == ""
    assert load_bundle(tmp_path / "bundle").manifest.kind == "trained"
    assert not list(tmp_path.rglob("*.part"))


def test_frozen_layers_statistics_stay_where_they_were(two: Path) -> None:
    started, ended = weights(two, "pretrain"), weights(two, "finetune/0")
    kept = [name for name in started if "initial_splitter" in name]
    assert kept
    assert all(torch.equal(started[name], ended[f"encoder.{name}"]) for name in kept)
