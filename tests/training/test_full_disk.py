"""A disk that is full at any one write: one line says so, and the same command goes on later."""

from pathlib import Path
from typing import Any

import pytest

from tests.training.command_line import (
    ONCE,
    Called,
    nothing_by_halves,
    prepared,
    refused,
    stage,
)
from tests.training.small_runs import aligned, changed

_OPEN, _REPLACE, _RENAME, _MKDIR = Path.open, Path.replace, Path.rename, Path.mkdir
COMMANDS = ("pretrain", "align", "finetune", "evaluate", "release")
MORE = {"evaluate": ["--ablation"], "release": ["--out"]}

pytestmark = pytest.mark.slow


class Disk:
    """Room for so many writes, then none; of what does not fit half is written."""

    def __init__(self, room: int) -> None:
        self._room = room

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Under every way in which the program writes by a path."""
        own = {
            "open": lambda path, *given, **named: self.open(path, *given, **named),
            "write_bytes": lambda path, content: self.write(path, content),
            "replace": lambda path, target: self.move(_REPLACE, path, target),
            "rename": lambda path, target: self.move(_RENAME, path, target),
            "mkdir": lambda path, *given, **named: self.mkdir(path, *given, **named),
        }
        for name, function in own.items():
            patch.setattr(Path, name, function)

    def take(self) -> None:
        self._room -= 1
        if self._room < 0:
            raise OSError(28, "No space left on device")

    def open(self, path: Path, mode: str = "r", *given: Any, **named: Any) -> Any:
        if {*mode} & {*"wax"}:
            self.take()
        return _OPEN(path, mode, *given, **named)

    def write(self, path: Path, content: bytes) -> int:
        half = len(content) // 2
        with _OPEN(path, "wb") as file:
            file.write(content[:half])
            self.take()
            return half + file.write(content[half:])

    def move(self, function: Any, path: Path, target: Path) -> Path:
        self.take()
        moved: Path = function(path, target)
        return moved

    def mkdir(self, path: Path, *given: Any, **named: Any) -> None:
        if not path.exists():
            self.take()
        _MKDIR(path, *given, **named)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_disk_at_any_write_is_told_in_one_line_and_the_command_resumes(
    command: str, bert_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = changed(
        aligned(bert_folder, ONCE),
        finetuning={"members": 1},
        evaluation={"baselines": ("two_admissions", "lace"), "fractions": (1.0,)},
    )
    options: list[str | Path] = [*MORE.get(command, [])]
    options += [tmp_path / "bundle"] if command == "release" else []
    prepared(tmp_path, settings)
    for before in COMMANDS[: COMMANDS.index(command)]:
        assert stage(before, tmp_path).code == 0
    writes, result = 0, Called(1, "", "")
    while result.code:
        with monkeypatch.context() as patch:
            Disk(writes).install(patch)
            result = stage(command, tmp_path, *options)
        if result.code:
            said = refused(result)
            assert "cannot be written" in said
            assert str(tmp_path) in said
            assert not (tmp_path / "bundle").exists()
        nothing_by_halves(tmp_path)
        writes += 1
    assert writes > 2
