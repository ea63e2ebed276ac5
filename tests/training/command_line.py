"""`readmit-train` called in this process: what it says, and how it ends."""

from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from training.cli import app
from training.settings import Settings, as_toml


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
