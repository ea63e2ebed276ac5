"""How an operator's commands begin and end: settings, the store as configured, refusals as words."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from cds_service.errors import ServiceError, StartRefusedError
from cds_service.settings import Settings
from cds_service.storage.store import Store
from cds_service.storage.vault import Vault
from model.errors import BundleError

_errors = Console(stderr=True)
UNUSABLE = 2


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Store]:
    """The store of the settings. Raises StartRefusedError where there is none."""
    _check_there(settings.database)
    store = Store(settings.database, Vault(settings.storage_keys))
    try:
        yield store
    finally:
        await store.close()


@contextmanager
def refusals_said() -> Iterator[None]:
    """A refusal is a sentence and exit 2, never a traceback."""
    try:
        yield
    except (ServiceError, BundleError) as refused:
        _errors.print(str(refused), style="red", markup=False, soft_wrap=True)
        raise typer.Exit(UNUSABLE) from None


def say(text: str, style: str | None = None) -> None:
    """One line of the result, on standard output, as it is."""
    Console(soft_wrap=True).print(text, style=style, markup=False, highlight=False)


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.1f}/s" if task.speed else "")


def progress() -> Progress:
    """A bar on standard error, gone when it is done; of no use to a file or a pipe, and not there."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(
        *columns,
        _Rate(),
        TimeRemainingColumn(),
        console=_errors,
        transient=True,
        disable=not _errors.is_terminal,
    )


def _check_there(database: str) -> None:
    """SQLite would make an empty file of a misspelt name, and an empty file verifies."""
    try:
        url = make_url(database)
    except ArgumentError:
        return  # the store says it better
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise StartRefusedError(
            "there is no database where READMIT_DATABASE says. Name the one that the service"
            " writes, and run this where its relative path leads to it."
        )
