"""Progress on the terminal: a bar a task, nothing where there is no terminal but a line a task."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from training import subjects


@contextmanager
def bars(console: Console) -> Iterator[subjects.Progress]:
    """Shown while open, on the console given (standard error: results go to standard output)."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as shown:
        known: dict[str, TaskID] = {}

        def tell(task: str, done: int, total: int) -> None:
            if task not in known:
                known[task] = shown.add_task(task, total=total)
                if not console.is_terminal:
                    console.print(f"{task} ...", markup=False)
            shown.update(known[task], completed=done, total=total)

        yield tell


def silent(task: str, done: int, total: int) -> None:
    """Tells nobody; for the processes that are not the first."""
