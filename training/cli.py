"""`readmit-train`: the command line of the training side. The one clock of the package is here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from model.errors import BundleError
from training import commands
from training.commands import Session
from training.errors import TrainingError
from training.fitting.world import join_world
from training.progress import bars, silent
from training.runs import open_run
from training.settings import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
_ROOT = Path(__file__).parents[1]  # of the checkout, whose configs/ and bundles/ the demo uses
_console = Console(stderr=True)

Config = Annotated[Path, typer.Option("--config", help="The TOML of the run.")]
RunFolder = Annotated[Path, typer.Option("--run", help="Folder of the run; made or resumed.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the bundle; must not exist.")]


@app.callback()
def readmit_train() -> None:
    """Readmit's training: from MIMIC-IV or a FHIR export to a bundle that the service trusts."""


@app.command()
def cohort(config: Config, run: RunFolder) -> None:
    """Vectors, labels, splits, notes and the flow of exclusions."""
    _stage(config, run, commands.do_cohort)


@app.command()
def pretrain(config: Config, run: RunFolder) -> None:
    """Stage 1: masked reconstruction."""
    _stage(config, run, commands.do_pretrain)


@app.command()
def align(config: Config, run: RunFolder) -> None:
    """Stage 2: contrastive pretraining against discharge summaries."""
    _stage(config, run, commands.do_align)


@app.command()
def finetune(config: Config, run: RunFolder) -> None:
    """Stage 3: the members, and their calibration."""
    _stage(config, run, commands.do_finetune)


@app.command()
def evaluate(
    config: Config,
    run: RunFolder,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Compare the ways to start, too.")
    ] = False,
) -> None:
    """Open held_out, once, and write the report."""
    _stage(config, run, lambda session: commands.do_evaluate(session, ablation=ablation))


@app.command()
def release(config: Config, run: RunFolder, out: Out) -> None:
    """The bundle of an evaluated run."""
    _stage(config, run, lambda session: str(commands.do_release(session, out).path))


@app.command(name="run")
def everything(config: Config, run: RunFolder, out: Out) -> None:
    """All stages, from the data to the bundle; done ones are skipped."""
    _stage(config, run, lambda session: str(commands.do_everything(session, out).path))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for run and bundle.")] = Path(
        "runs/demo"
    ),
    small: Annotated[
        bool, typer.Option("--small", help="Minutes instead of half an hour.")
    ] = False,
) -> None:
    """Generate synthetic stays with discharge summaries, and train on them to a released bundle."""
    config = _ROOT / "configs" / ("demo_small.toml" if small else "demo.toml")
    _stage(
        config,
        out / "run",
        lambda session: str(commands.do_everything(session, out / "bundle").path),
    )


def _stage(config: Path, run: Path, action: Callable[[Session], str]) -> None:
    """Errors that a user can mend are one line, exit status 1."""
    try:
        with _session(config, run) as session:
            said = action(session)
        if session.world.first:  # after the bars, which hold standard output on a terminal
            typer.echo(said)
    except (TrainingError, BundleError) as error:
        _console.print(f"readmit-train: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@contextmanager
def _session(config: Path, run: Path) -> Iterator[Session]:
    settings = load_settings(config)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(settings.threads)
    world = join_world()
    with world.in_turn():
        opened = open_run(run, settings)
    with bars(_console) if world.first else nullcontext(silent) as progress:
        yield Session(opened, today(), progress, world)


def today() -> date:
    """In UTC."""
    return datetime.now(tz=UTC).date()


if __name__ == "__main__":  # torchrun -m training.cli
    app()
