"""`readmit`: the command line of the service side."""

from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cds_service.batch.check_site_command import check_site_command
from cds_service.batch.extract_command import extract_command
from cds_service.batch.score_command import score_command
from cds_service.environment import settings_from
from cds_service.errors import StartRefusedError
from cds_service.governance.audit_commands import audit_app
from cds_service.governance.key_commands import new_key_command, rewrap_command
from cds_service.governance.purge_command import purge_command
from cds_service.serving import run
from cds_service.settings import READMISSION, Settings
from cds_service.smart.key_command import new_app_keys_command

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command("extract")(extract_command)
app.command("score")(score_command)
app.command("check-site")(check_site_command)
app.add_typer(audit_app, name="audit")
app.command("purge")(purge_command)
app.command("new-key")(new_key_command)
app.command("new-app-keys")(new_app_keys_command)
app.command("rewrap")(rewrap_command)
_console = Console(stderr=True)


@app.callback(invoke_without_command=True)
def readmit(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Readmit: who is likely to come back unplanned within 30 days, and why."""
    if version:
        typer.echo(metadata.version("readmit-cds"))
        raise typer.Exit


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(help="Folder of the bundle that scores, or ID=FOLDER; once for each service."),
    ] = None,
    database: Annotated[str | None, typer.Option(help="SQLAlchemy URL of the store.")] = None,
    dev: Annotated[
        bool | None, typer.Option("--dev", help="Serve the page that plays the EHR at /.")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.")] = None,
) -> None:
    """Serve the CDS Hooks service. Every setting can also be READMIT_<NAME> in the environment."""
    given: dict[str, Any] = {"host": host, "port": port, "database": database, "dev": dev}
    given["workers"] = workers
    given["bundles"] = dict(map(_named, bundle)) if bundle else None
    try:
        settings = settings_from(
            {name: value for name, value in given.items() if value is not None}
        )
        _console.print("Loading the bundle and the mapping ...")
        run(settings, announce=lambda: _announce(settings))
    except StartRefusedError as refused:
        _console.print(f"Readmit does not start: {refused}", style="red", markup=False)
        raise typer.Exit(2) from None


def _named(bundle: str) -> tuple[str, Path]:
    name, found, folder = bundle.partition("=")
    return (name, Path(folder)) if found else (READMISSION, Path(bundle))


def _announce(settings: Settings) -> None:
    where = f"http://{settings.host}:{settings.port}"
    _console.print(f"Discovery: {where}/cds-services", markup=False)
    if settings.dev:
        _console.print(f"Click here: {where}/", style="bold green", markup=False)
