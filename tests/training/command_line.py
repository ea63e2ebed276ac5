"""`readmit-train` called in this process: what it says, and how it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from tests.training import small_cohorts, small_exports
from tests.training.small_runs import SETTINGS, notes_of, small_table, with_fit
from training.cli import app
from training.settings import Settings, as_toml
from training.tables import Table

ONCE = with_fit(SETTINGS, epochs=1)


@dataclass(frozen=True)
class Called:
    """`out`: standard output, `err`: standard error."""

    code: int
    out: str
    err: str


def call(*words: str | Path) -> Called:
    """One command line. What the program does not catch is raised here too."""
    result = CliRunner().invoke(app, [str(each) for each in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Called(result.exit_code, result.stdout, result.stderr)


def stage(name: str, folder: Path, *more: str | Path) -> Called:
    """A command on the run and the config in `folder`."""
    return call(name, "--config", folder / "run.toml", "--run", folder / "run", *more)


def configured(folder: Path, settings: Settings) -> Path:
    """The TOML of a run that is to be in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.toml").write_bytes(as_toml(settings))
    return folder


def prepared(
    folder: Path,
    settings: Settings = ONCE,
    table: Table | None = None,
    notes: Mapping[str, str] | None = None,
) -> Path:
    """Config and finished cohort of a run that is to be in `folder`."""
    rows = small_table() if table is None else table
    configured(folder, settings)
    texts = notes_of(rows) if notes is None else notes
    small_cohorts.written(folder / "run" / "cohort", rows, texts)
    return folder


def refused(result: Called) -> str:
    """The one line that says why; nothing else was said, and no patient's value."""
    said = [line for line in result.err.splitlines() if line.startswith("readmit-train: ")]
    assert result.code == 1, result
    assert result.out == ""
    assert len(said) == 1, result.err
    assert result.err.rstrip().endswith(said[0])
    assert "Traceback" not in result.err
    assert small_exports.CANARY not in result.err
    return said[0]


def nothing_by_halves(folder: Path, unfinished: str = "") -> None:
    """No half-written file; the stage named has not ended."""
    assert not list(folder.rglob("*.part"))
    assert not unfinished or not (folder / "run" / unfinished / "DONE").exists()
