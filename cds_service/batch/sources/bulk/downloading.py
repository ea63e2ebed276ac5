"""The files of a manifest onto the disk: several at once, each as a draft that gets its name last.

What is held of a file in memory is one chunk. A gzip content-encoding is undone on the way; a file
that is gzip itself is kept so, and named so. A file that breaks off, or that fails in passing, is
fetched again from its start.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx

from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.asking import plain
from cds_service.batch.sources.bulk.job import JobGoneError, Surroundings
from cds_service.batch.sources.bulk.manifest import RemoteFile
from cds_service.batch.sources.bulk.sending import Answer
from cds_service.batch.sources.bulk.state import State, Store, disk_error

TRIES: Final = 6
_ACCEPT: Final = {"accept": "application/fhir+ndjson, application/ndjson;q=0.9, */*;q=0.1"}
_GZIP: Final = b"\x1f\x8b"
_GONE: Final = frozenset((403, 404, 410))
"""Addresses with a signature answer 403 once they have expired."""
_LARGEST_REFUSAL: Final = 65536


class _BrokenError(Exception):
    """This try did not bring the file; `headers` may say when to try again."""

    def __init__(self, why: str, headers: httpx.Headers | None = None) -> None:
        super().__init__(why)
        self.why, self.headers = why, headers or httpx.Headers()


async def download(
    around: Surroundings,
    store: Store,
    state: State,
    *,
    at_once: int,
    on_short: Callable[[int], None],
) -> None:
    """Every file that is not here yet. `on_short` is told of one that lacks lines. Raises JobGoneError
    or BatchError."""
    todo = list(enumerate(state.stems()))
    waiting = iter([each for each in todo if store.found(each[1][1]) is None])
    done = sum(store.found(stem) is not None for _, (_, stem) in todo)

    async def work() -> None:
        nonlocal done
        for number, (remote, stem) in waiting:
            around.progress.say("Receiving files", done, len(todo))
            await _fetched(around, store.folder, remote, stem, partial(on_short, number))
            done += 1
            around.progress.say("Receiving files", done, len(todo))

    await _together(work, at_once)


async def _together(work: Callable[[], Coroutine[Any, Any, None]], at_once: int) -> None:
    """The first that fails ends the others, and is what is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None


async def _fetched(
    around: Surroundings,
    folder: Path,
    remote: RemoteFile,
    stem: str,
    on_short: Callable[[], None],
) -> None:
    """Fetch one file. One that is short of what the manifest counts, time and again, is reported
    before it gets its name."""
    draft, why = folder / f".{stem}.part", ""
    for attempt in range(TRIES):
        try:
            suffix, lines = await _streamed(around, remote, draft)
            short = suffix == ".ndjson" and remote.count is not None and lines < remote.count
            if short and attempt + 1 == TRIES:
                on_short()
            if not short or attempt + 1 == TRIES:
                _place(draft, folder / f"{stem}{suffix}")
                return
            broken = _BrokenError("fewer lines than the manifest says")
        except _BrokenError as failed:
            broken = failed
        finally:
            draft.unlink(missing_ok=True)
        why = broken.why
        await around.wait(broken.headers, attempt)
    raise BatchError(
        plain(remote.url), f"cannot be received ({why}).", "Check the server; start again to go on."
    )


async def _streamed(around: Surroundings, remote: RemoteFile, draft: Path) -> tuple[str, int]:
    """Ending of the name and number of lines of what came."""
    try:
        async with around.sender.stream(
            "GET", remote.url, headers=_ACCEPT, authorized=remote.authorized
        ) as answer:
            if answer.status_code != 200:
                await _refuse(answer, remote)
            return await _write(answer.aiter_bytes(), draft)
    except (httpx.HTTPError, httpx.InvalidURL) as wrong:
        raise _BrokenError(type(wrong).__name__) from None


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


async def _write(chunks: AsyncIterator[bytes], draft: Path) -> tuple[str, int]:
    head, lines, last = b"", 0, b"\n"
    try:
        with draft.open("wb") as file:
            async for chunk in chunks:
                head = head or chunk[:2]
                lines += chunk.count(b"\n")
                last = chunk[-1:] or last
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as wrong:
        raise disk_error(draft.parent, wrong) from None
    return (".ndjson.gz" if head == _GZIP else ".ndjson"), lines + (last != b"\n")


def _place(draft: Path, path: Path) -> None:
    try:
        draft.replace(path)
    except OSError as wrong:
        raise disk_error(path.parent, wrong) from None
