"""A run folder: settings as resolved, environment, one folder a stage, each whole or resumable.

A stage's folder holds metrics.jsonl, a checkpoint while it runs, what it made, and DONE at the
end. Files are written whole or not at all. No pickle: tensors are safetensors, the rest is JSON.
"""

import hashlib
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from training.errors import RunError
from training.settings import Settings, as_toml, load_settings
from training.writing import writable, write_bytes

CONFIG = "config.toml"
DONE = "DONE"
_COMMANDS = {"calibrate": "finetune"}  # where a stage has no command of its own name
_PACKAGES = ("torch", "pytorch-tabnet", "transformers", "numpy", "polars", "readmit-cds")
_T = TypeVar("_T")


@dataclass(frozen=True)
class Stage:
    """The folder of one stage of one run. `name` as people know it: `finetune/3`."""

    folder: Path
    name: str

    @property
    def done(self) -> bool:
        """Whether the stage ended and all that it made is here."""
        return (self.folder / DONE).is_file()

    def finish(self) -> None:
        """The last thing a stage writes; its checkpoint is no longer needed."""
        write_bytes(self.folder / DONE, b"")
        for name in ("checkpoint.safetensors", "checkpoint.json"):
            (self.folder / name).unlink(missing_ok=True)

    def log(self, row: Mapping[str, Any]) -> None:
        """One line to metrics.jsonl."""
        with writable(self.folder), (self.folder / "metrics.jsonl").open("ab") as lines:
            lines.write(msgspec.json.encode(row) + b"\n")

    def restart_log(self, epochs: int) -> None:
        """Forget the lines of epochs that will be run again, and one that was cut in two."""
        file = self.folder / "metrics.jsonl"
        lines = file.read_bytes().splitlines(keepends=True) if file.exists() else []
        kept = [line for line in lines if _epoch_of(line) < epochs]
        write_bytes(file, b"".join(kept))

    def save(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """NAME.safetensors."""
        apart = {key: tensor.detach().cpu().clone() for key, tensor in tensors.items()}
        write_bytes(self.folder / f"{name}.safetensors", save(apart))

    def load(self, name: str) -> dict[str, Tensor]:
        """What `save` wrote. Raises RunError."""
        file = self.folder / f"{name}.safetensors"
        try:
            return load(file.read_bytes())
        except (OSError, SafetensorError) as error:
            remedy = "Delete the stage's folder to run it again"
            raise RunError(file, "is not there or is broken", remedy) from error

    def write(self, name: str, value: Any) -> None:
        """NAME.json."""
        content = msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
        write_bytes(self.folder / f"{name}.json", content)

    def read(self, name: str, form: type[_T]) -> _T:
        """What `write` wrote. Raises RunError."""
        file = self.folder / f"{name}.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=form)
        except (OSError, msgspec.MsgspecError) as error:
            remedy = "Delete the stage's folder to run it again"
            raise RunError(file, "is not there or is broken", remedy) from error


@dataclass(frozen=True)
class Run:
    """The folder of one run."""

    folder: Path
    settings: Settings

    def stage(self, name: str) -> Stage:
        """The folder of a stage, made where it is not there."""
        folder = self.folder / name
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return Stage(folder, name)

    def finished(self, name: str) -> Stage:
        """A stage that must have ended before. Raises RunError naming the command for it."""
        stage = self.stage(name)
        if not stage.done:
            stage_name = name.split("/", maxsplit=1)[0]
            command = _COMMANDS.get(stage_name, stage_name)
            remedy = f"Run `readmit-train {command}` with the same TOML and run folder first"
            raise RunError(stage.folder, "this stage has not ended", remedy)
        return stage


def open_run(folder: Path, settings: Settings) -> Run:
    """A new run, or the same one again. Raises RunError where the folder is of other settings.

    What the bundle says of itself, [release], and how it is looked at, [evaluation], may still change:
    no weight depends on them.
    """
    config = folder / CONFIG
    if not config.exists():
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "environment.txt", environment().encode())
    elif _numbers(load_settings(config)) != _numbers(settings):
        remedy = "Take another run folder, or the TOML that this one was begun with"
        raise RunError(folder, f"was begun with other settings (its {CONFIG})", remedy)
    write_bytes(config, as_toml(settings))
    return Run(folder, settings)


def _numbers(settings: Settings) -> Settings:
    """The settings that weights depend on: what is said of them, and how they are looked at, is not."""
    return msgspec.structs.replace(settings, release=None, evaluation=None)


def derived_seed(*parts: object) -> int:
    """A seed for one purpose: split, weights, order and masks never share a generator."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def environment() -> str:
    """What the numbers depend on besides the settings."""
    lines = [f"python {platform.python_version()}", f"machine {platform.machine()}"]
    lines += [f"cores {os.cpu_count()}"]
    lines += [f"{name} {version(name)}" for name in _PACKAGES]
    return "\n".join(lines) + "\n"


def _epoch_of(line: bytes) -> float:
    try:
        return float(msgspec.json.decode(line)["epoch"])
    except msgspec.DecodeError:  # the disk was full, or the run was killed, in mid-line
        return math.inf
