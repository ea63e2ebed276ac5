"""The machine goes away in mid-run: `kill -9`, and the same command again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.training.command_line import prepared, stage
from tests.training.small_runs import SETTINGS, with_fit

EPOCHS = 150


def killed_after(epochs: int, folder: Path) -> None:
    """Start `pretrain` as a process, and kill it when so many epochs are told."""
    options = ["--config", str(folder / "run.toml"), "--run", str(folder / "run")]
    running = subprocess.Popen(
        [sys.executable, "-m", "training.cli", "pretrain", *options],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    metrics = folder / "run" / "pretrain" / "metrics.jsonl"
    until = time.monotonic() + 120
    while not metrics.exists() or metrics.read_bytes().count(b"\n") < epochs:
        assert running.poll() is None, "it ended by itself"
        assert time.monotonic() < until, "no epoch in two minutes"
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait(timeout=30) == -signal.SIGKILL
    assert not (folder / "run" / "pretrain" / "DONE").exists()


@pytest.mark.slow
def test_a_run_that_was_killed_twice_is_the_run_that_was_not(tmp_path: Path) -> None:
    for name in ("whole", "killed"):
        prepared(tmp_path / name, with_fit(SETTINGS, epochs=EPOCHS, average=0.9))
    killed_after(3, tmp_path / "killed")
    killed_after(30, tmp_path / "killed")
    for name in ("whole", "killed"):
        assert stage("pretrain", tmp_path / name).code == 0
    whole, killed = (
        {each.name: each.read_bytes() for each in (tmp_path / name / "run" / "pretrain").iterdir()}
        for name in ("whole", "killed")
    )
    assert killed == whole
