"""What a batch says while it works: counts and words of ours, on stderr."""

from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Listener(Protocol):
    """Who is told how far a source has come."""

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        """What is going on now, `done` of `total` where it can be counted."""


class Silent:
    """Nobody listens."""

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Nothing."""


class OneLine:
    """One line of a rich display, which the command starts and ends."""

    def __init__(self, shown: Progress) -> None:
        self._shown, self._line = shown, shown.add_task("", total=None)

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Draw it."""
        self._shown.update(self._line, description=escape(what), completed=done, total=total)


def columns() -> Progress:
    """A display for OneLine; `with columns() as shown`."""
    parts = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*parts, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
