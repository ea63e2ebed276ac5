"""Many things into files of some each, several files at once, each whole or not there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Generic, TypeVar

from cds_service.batch.progress import Listener
from cds_service.batch.sources.searching.state import Noted, Store

T = TypeVar("T")
Write = Callable[[T, IO[bytes], Noted], Awaitable[None]]


class Filling(Generic[T]):
    """`write` puts one thing into a file, and notes what is not there of it; `words` say so."""

    def __init__(
        self, store: Store, progress: Listener, write: Write[T], words: str, *, at_once: int
    ) -> None:
        self._store, self._progress, self._write, self._words = store, progress, write, words
        self._at_once, self._done, self._total = at_once, 0, 0

    async def all_of(self, stem: str, things: Sequence[T], size: int) -> tuple[Path, ...]:
        """The files, `size` things each. The first that fails ends the others, and is what is raised."""
        chunks = [things[at : at + size] for at in range(0, len(things), size)]
        files = self._store.files(stem, len(chunks))
        todo = [pair for pair in zip(files, chunks, strict=True) if not pair[0].is_file()]
        self._total = len(things)
        self._done = self._total - sum(len(chunk) for _, chunk in todo)
        waiting = iter(todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._at_once):
                    group.create_task(self._work(waiting))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return files

    async def _work(self, waiting: Iterator[tuple[Path, Sequence[T]]]) -> None:
        for file, things in waiting:
            await self._store.fill(file, things, self._one)

    async def _one(self, thing: T, lines: IO[bytes], noted: Noted) -> None:
        self._progress.say(self._words, self._done, self._total)
        await self._write(thing, lines, noted)
        self._done += 1
        self._progress.say(self._words, self._done, self._total)
