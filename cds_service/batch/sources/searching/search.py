"""The door: the whole records of those whom an address names, by search, as files in a folder. Resumable.

First whose they are; then the records, some patients a file; then what these refer to. Each file is
there whole or not at all, and once it is, nothing of it is asked for again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Final

import httpx

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.patience import Surroundings
from cds_service.batch.calling.sending import Sender, TokenSource
from cds_service.batch.calling.system_scopes import Readable
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import Listener, Silent
from cds_service.batch.sources.bulk.export import TYPES
from cds_service.batch.sources.searching.asking import Asked
from cds_service.batch.sources.searching.filling import Filling, Write
from cds_service.batch.sources.searching.finding import sought
from cds_service.batch.sources.searching.outcome import arrived
from cds_service.batch.sources.searching.reading import Reader
from cds_service.batch.sources.searching.receiving import Receiving
from cds_service.batch.sources.searching.state import Found, Store
from cds_service.batch.sources.searching.supporting import Supporting, addresses

AT_ONCE: Final = 4
"""Patients, and so requests, that a server is asked for at a time."""
MOST_A_FILE: Final = 10
_SUPPORT_A_FILE: Final = 200


async def arrive_by_search(
    asked: Asked,
    *,
    folder: Path,
    http: httpx.AsyncClient,
    clock: Callable[[], datetime],
    tokens: TokenSource | None = None,
    progress: Listener | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    at_once: int = AT_ONCE,
) -> Arrived:
    """Everything that the server has of those who are `asked` for. `folder` is this search's own;
    given again after whatever ended the first call, it is gone on with.

    What is said of types is in outcome.py. Raises BatchError.
    """
    around = Surroundings(Sender(http, tokens), clock, pause, progress or Silent())
    return await _Search(Reader(around, asked.base), Store(folder), at_once).arrive(asked, tokens)


class _Search:
    def __init__(self, reader: Reader, store: Store, at_once: int) -> None:
        self._reader, self._store, self._at_once = reader, store, at_once

    async def arrive(self, asked: Asked, tokens: TokenSource | None) -> Arrived:
        found = self._store.load(asked) or self._store.save(await self._find(asked, tokens))
        receiving = self._filling(Receiving(self._reader, found.types).write, "Receive records")
        size = min(MOST_A_FILE, ceil(len(found.patients) / AT_ONCE))  # the same when it goes on
        records = await receiving.all_of("records", found.patients, max(1, size))
        noted = [self._store.noted(file) for file in records]
        referred = addresses((each for one in noted for each in one.refers), found)
        supporting = self._filling(Supporting(self._reader).write, "Receive what they refer to")
        shared = await supporting.all_of("shared", referred, _SUPPORT_A_FILE)
        noted += [self._store.noted(file) for file in shared]
        return arrived(found, (*records, *shared), noted)

    def _filling(self, write: Write[str], words: str) -> Filling[str]:
        progress = self._reader.around.progress
        return Filling(self._store, progress, write, words, at_once=self._at_once)

    async def _find(self, asked: Asked, tokens: TokenSource | None) -> Found:
        readable = await tokens.readable() if tokens else Readable(frozenset(TYPES))
        types = [each for each in TYPES if each in readable.whole | readable.narrowed]
        if not types:
            raise BatchError(
                asked.base,
                "the token that was given lets none of the types be read.",
                "Register the app there for reading them with system/ scopes.",
            )
        got = await sought(self._reader, asked)
        named = asked.fixed or (bool(asked.ids) and any(got.stays.values()))
        return Found(
            asked,
            patients=tuple(got.stays),
            stays=got.stays if named else None,
            types=tuple(types),
            absent=got.absent,
            narrowed=tuple(sorted(readable.narrowed)),
            asked_at=self._reader.asked_at,
        )
