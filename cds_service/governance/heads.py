"""Heads of the chains, written elsewhere: a file that only grows, so that a cut tail is found.

Each worker appends the heads that changed, once a minute and when it stops. The file is a witness,
not a store: where it cannot be written the service goes on, and the log says so.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from pathlib import Path

from cds_service.errors import StoreUnavailableError
from cds_service.observability import log_heads_lost
from cds_service.storage.chain import Head
from cds_service.storage.store import Store

_INTERVAL_S = 60.0
_PAGE = 500


class HeadsFile:
    """The witness of one worker: what it has written already it does not write again."""

    def __init__(self, path: Path, store: Store, clock: Callable[[], datetime]) -> None:
        self._path, self._store, self._clock = path, store, clock
        self._written: dict[str, Head] = {}

    async def write(self) -> None:
        """Append the heads that changed since the last time. Logs a failure, raises nothing."""
        try:
            heads = [h for h in await self._store.heads() if self._written.get(h.tenant) != h]
            if heads:
                await asyncio.to_thread(_append, self._path, heads, self._clock())
            self._written |= {head.tenant: head for head in heads}
        except (OSError, StoreUnavailableError) as failed:
            log_heads_lost(failed)

    async def keep(self) -> None:
        """Write for ever, once a minute."""
        while True:
            await asyncio.sleep(_INTERVAL_S)
            await self.write()


@asynccontextmanager
async def heads_kept(
    path: Path | None, store: Store, clock: Callable[[], datetime]
) -> AsyncIterator[None]:
    """While the block runs, and once more when it is left; without `path` not at all."""
    if path is None:
        yield
        return
    file = HeadsFile(path, store, clock)
    keeping = asyncio.create_task(file.keep())
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping
        await file.write()


def read_heads(path: Path) -> Iterator[list[Head | None]]:
    """The recorded heads, page by page; None for a line that is none, as a full disk leaves it."""
    with path.open("rb") as lines:
        while page := list(islice(lines, _PAGE)):
            yield [_head(line) for line in page]


def _append(path: Path, heads: Iterable[Head], at: datetime) -> None:
    lines = [json.dumps({"at": at.isoformat(), **asdict(head)}) + "\n" for head in heads]
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, "".join(lines).encode())
        os.fsync(file)
    finally:
        os.close(file)


def _head(line: bytes) -> Head | None:
    try:
        stated = json.loads(line)
        return Head(str(stated["tenant"]), int(stated["number"]), str(stated["hash"]))
    except (ValueError, KeyError, TypeError):
        return None
