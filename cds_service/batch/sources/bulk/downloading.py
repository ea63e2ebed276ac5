"""The files of a manifest onto the disk: several at once, each as a draft that gets its name last.

What is held of a file in memory is one chunk. A gzip content-encoding is undone on the way; a file
that is gzip itself is kept so, and named so. A file that breaks off, or that fails in passing, is
fetched again from its start.
"""

import asyncio
import gzip
import os
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

import httpx

from cds_service.batch.calling.addresses import plain
from cds_service.batch.calling.patience import Surroundings
from cds_service.batch.calling.sending import Answer
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.job import JobGoneError
from cds_service.batch.sources.bulk.manifest import RemoteFile
from cds_service.batch.sources.bulk.state import State, Store, disk_error

TRIES: Final = 6
_ACCEPT: Final = {"accept": "application/fhir+ndjson, application/ndjson;q=0.9, */*;q=0.1"}
_CHUNK: Final = 2**20
_GZIP: Final = b"\x1f\x8b"
_GONE: Final = frozenset((403, 404, 410))
"""Addresses with a signature answer 403 once they have expired."""
_LARGEST_REFUSAL: Final = 65536


class _BrokenError(Exception):
    """This try did not bring the file; `headers` may say when to try again."""

    def __init__(self, why: str, headers: httpx.Headers | None = None) -> None:
        super().__init__(why)
        self.why, self.headers = why, headers or httpx.Headers()


class Receiving:
    """The download of one job's files. `on_short` is told the number of a file that lacks lines."""

    def __init__(
        self, around: Surroundings, store: Store, state: State, on_short: Callable[[int], None]
    ) -> None:
        self._around, self._store, self._on_short = around, store, on_short
        listed = list(enumerate(state.stems()))
        self._todo = [each for each in listed if store.found(each[1][1]) is None]
        self._total, self._done, self._bytes = len(listed), len(listed) - len(self._todo), 0

    async def all_files(self, at_once: int) -> None:
        """Every file that is not here yet. The first that fails ends the others, and is what is
        raised: JobGoneError or BatchError."""
        waiting = iter(self._todo)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(at_once):
                    group.create_task(self._work(waiting))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _work(self, waiting: Iterator[tuple[int, tuple[RemoteFile, str]]]) -> None:
        for number, (remote, stem) in waiting:
            self._say()
            await self._fetch(number, remote, stem)
            self._done += 1
            self._say()

    def _say(self) -> None:
        said = f"Receiving files, {self._bytes / 1e6:.0f} MB"
        self._around.progress.say(said, self._done, self._total)

    async def _fetch(self, number: int, remote: RemoteFile, stem: str) -> None:
        """One that is short of what the manifest counts, time and again, is reported before it gets
        its name."""
        draft, why = self._store.folder / f".{stem}.part", ""
        for attempt in range(TRIES):
            try:
                suffix, lines = await self._streamed(remote, draft)
                short = remote.count is not None and lines < remote.count
                if short and attempt + 1 == TRIES:
                    self._on_short(number)
                if not short or attempt + 1 == TRIES:
                    _place(draft, self._store.folder / f"{stem}{suffix}")
                    return
                broken = _BrokenError("fewer lines than the manifest says")
            except _BrokenError as failed:
                broken = failed
            finally:
                draft.unlink(missing_ok=True)
            why = broken.why
            await self._around.wait(broken.headers, attempt)
        again = "Check the server; start again to go on."
        raise BatchError(plain(remote.url), f"cannot be received ({why}).", again)

    async def _streamed(self, remote: RemoteFile, draft: Path) -> tuple[str, int]:
        """Ending of the name and number of lines of what came."""
        try:
            async with self._around.sender.stream(
                "GET", remote.url, headers=_ACCEPT, authorized=remote.authorized
            ) as answer:
                if answer.status_code != 200:
                    await _refuse(answer, remote)
                if answer.headers.get("content-type", "").startswith("text/html"):
                    raise _BrokenError("a page came in its place")
                return await self._write(answer.aiter_bytes(), draft)
        except (httpx.HTTPError, httpx.InvalidURL) as wrong:
            raise _BrokenError(Answer.none(wrong).in_words()) from None

    async def _write(self, chunks: AsyncIterator[bytes], draft: Path) -> tuple[str, int]:
        head, lines, last = b"", 0, b"\n"
        try:
            with draft.open("wb") as file:
                async for chunk in chunks:
                    head = head or chunk[:2]
                    lines += chunk.count(b"\n")
                    last = chunk[-1:] or last
                    file.write(chunk)
                    self._bytes += len(chunk)
                    self._say()
                file.flush()
                os.fsync(file.fileno())
        except OSError as wrong:
            raise disk_error(draft.parent, wrong) from None
        if head == _GZIP:
            return ".ndjson.gz", await asyncio.to_thread(_lines_unpacked, draft)
        return ".ndjson", lines + (last != b"\n")


def _lines_unpacked(draft: Path) -> int:
    """The lines of a file that is gzip; it is read to its end."""
    lines, last = 0, b"\n"
    try:
        with gzip.open(draft, "rb") as file:
            while chunk := file.read(_CHUNK):
                lines += chunk.count(b"\n")
                last = chunk[-1:]
    except (OSError, EOFError, zlib.error):
        raise _BrokenError("a gzip that does not come to its end") from None
    return lines + (last != b"\n")


async def _refuse(answer: httpx.Response, remote: RemoteFile) -> None:
    body = b""
    async for chunk in answer.aiter_bytes():
        body += chunk[: _LARGEST_REFUSAL - len(body)]
        if len(body) >= _LARGEST_REFUSAL:
            break
    said = Answer(answer.status_code, answer.headers, body)
    if said.status in _GONE:
        raise JobGoneError
    if said.passes or said.status >= 500:
        raise _BrokenError(said.in_words(), said.headers)
    raise BatchError(
        plain(remote.url),
        f"cannot be received: {said.in_words()}.",
        "Check at the server what the registration of the app allows.",
    )


def _place(draft: Path, path: Path) -> None:
    try:
        draft.replace(path)
    except OSError as wrong:
        raise disk_error(path.parent, wrong) from None
