"""What a source says while it brings data: counts and words of ours."""

from types import TracebackType
from typing import Protocol, Self

from rich.markup import escape

from cds_service.governance.opening import progress


class Listener(Protocol):
    """Who is told how far a source has come."""

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        """What is going on now, `done` of `total` where it can be counted."""


class Silent:
    """Nobody listens."""

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Nothing."""


class OneLine:
    """One line on standard error, whose words change: `with OneLine() as shown`."""

    def __init__(self) -> None:
        self._progress = progress()
        self._line = self._progress.add_task("", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def say(self, what: str, done: int = 0, total: int | None = None) -> None:
        """Draw it; another thing that can be counted has a rate and a time left of its own."""
        words = escape(what)
        if total is not None and words != self._progress.tasks[0].description:
            self._progress.reset(self._line)
        self._progress.update(self._line, description=words, completed=done, total=total)
