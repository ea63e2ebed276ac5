"""The door: everything that a server exports, as files in a folder. Resumable at any point.

What the folder holds is in state.py. A job that the server has forgotten is asked for anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import httpx
import msgspec

from cds_service.batch.arrived import Arrived
from cds_service.batch.calling.addresses import plain
from cds_service.batch.calling.patience import Surroundings
from cds_service.batch.calling.sending import Sender, TokenSource
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import Listener, Silent
from cds_service.batch.sources.bulk.asking import Asked, export_address
from cds_service.batch.sources.bulk.downloading import Receiving
from cds_service.batch.sources.bulk.job import (
    JobFailedError,
    JobGoneError,
    give_back,
    kick_off,
    manifest,
)
from cds_service.batch.sources.bulk.manifest import RemoteFile
from cds_service.batch.sources.bulk.said import deletions, types_lacking
from cds_service.batch.sources.bulk.state import State, Store
from fhir_mapping.resources import KNOWN_TYPES

TYPES: Final = tuple(sorted(KNOWN_TYPES))
"""What the features read, and Medication, which others refer to."""
AT_ONCE: Final = 4
_MOST_STARTS: Final = 3
_MOST_PAGES: Final = 10_000


async def arrive_by_export(
    address: str,
    *,
    folder: Path,
    http: httpx.AsyncClient,
    clock: Callable[[], datetime],
    tokens: TokenSource | None = None,
    types: Collection[str] = TYPES,
    since: datetime | None = None,
    patients: Collection[str] = (),
    progress: Listener | None = None,
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    at_once: int = AT_ONCE,
) -> Arrived:
    """Export from `address`: a FHIR base, or `.../$export`, `.../Patient/$export`,
    `.../Group/ID/$export`. `folder` is this export's own; given again after whatever ended the
    first call, it is gone on with. `since`: the `transaction_time` of an earlier one; then only
    what changed arrives. `patients`: of these alone.

    `types` of what arrives are those that the manifest has files of, `partial` those that lack some
    all the same. Raises ExportRefusedError where the server does not begin, or BatchError.
    """
    _, url = export_address(address)
    moment = since.isoformat() if since else None
    asked = Asked(url, tuple(sorted(types)), moment, tuple(sorted(patients)))
    around = Surroundings(Sender(http, tokens), clock, pause, progress or Silent())
    return await _Export(around, Store(folder), asked, tokens, at_once).arrive()


class _Export:
    def __init__(
        self,
        around: Surroundings,
        store: Store,
        asked: Asked,
        tokens: TokenSource | None,
        at_once: int,
    ) -> None:
        self._around, self._store, self._tokens = around, store, tokens
        self._at_once = at_once
        self._state = store.load(asked)

    async def arrive(self) -> Arrived:
        last = self._state.started + _MOST_STARTS
        while not self._state.finished:
            try:
                await self._go_on()
            except JobGoneError:
                if self._state.started >= last:
                    raise self._gone() from None
                self._state = self._store.forget(self._state)
            except JobFailedError:
                self._state = self._store.forget(self._state)
                raise
        await self._end()
        return _arrived(self._state, self._store)

    async def _go_on(self) -> None:
        if self._state.status is None:
            await self._start()
        if self._state.files is None:
            await self._read_manifest()
        receiving = Receiving(self._around, self._store, self._state, self._note_short)
        await receiving.all_files(self._at_once)
        self._keep(finished=True)

    async def _start(self) -> None:
        asked = self._state.asked
        types, narrowed = set(asked.types), frozenset[str]()
        if self._tokens is not None:
            readable = await self._tokens.readable()
            # of what changed in a type that is not asked for, nobody says anything
            doubted = types - readable.whole if asked.since else readable.narrowed & types
            narrowed = frozenset(doubted)
            types &= readable.whole | readable.narrowed
        if not types:
            raise BatchError(
                plain(asked.address),
                "the token that was given lets none of the types be read.",
                "Register the app there for reading them with system/ scopes.",
            )
        status = await kick_off(self._around, asked, sorted(types))
        started = self._state.started + 1
        self._keep(status=status, started=started, narrowed=tuple(sorted(narrowed)))

    async def _read_manifest(self) -> None:
        files: list[RemoteFile] = []
        times: list[str | None] = []
        url, seen = self._state.status, set[str]()
        while url is not None and url not in seen and len(seen) < _MOST_PAGES:
            seen.add(url)
            page = await manifest(self._around, url)
            files += (each for each in page.files if self._is_wanted(each))
            times.append(page.transaction_time)
            url = page.next_page
        if url is not None:
            raise BatchError(
                plain(url), "is a next page without end.", "Ask those who run the server."
            )
        self._keep(files=tuple(files), transaction_time=_earliest(times))

    def _is_wanted(self, remote: RemoteFile) -> bool:
        """A server that does not know `_type` sends everything; an output without a type may hold any."""
        return remote.kind != "output" or not remote.type or remote.type in self._state.asked.types

    def _note_short(self, number: int) -> None:
        self._keep(short=(*self._state.short, number))

    async def _end(self) -> None:
        if not self._state.ended and self._state.status:
            await give_back(self._around, self._state.status)
            self._keep(ended=True)

    def _keep(self, **changes: object) -> None:
        self._state = self._store.save(msgspec.structs.replace(self._state, **changes))

    def _gone(self) -> BatchError:
        return BatchError(
            plain(self._state.asked.address),
            f"forgot {_MOST_STARTS} exports, or files of them, before they were received.",
            "Ask those who run the server how long it keeps them; a Group makes a smaller export.",
        )


def _arrived(state: State, store: Store) -> Arrived:
    found = [
        (number, remote, _here(store, stem)) for number, (remote, stem) in enumerate(state.stems())
    ]
    outputs = [(number, remote, path) for number, remote, path in found if remote.kind == "output"]
    outcomes = [path for _, remote, path in found if remote.kind == "outcome"]
    types = frozenset(remote.type for _, remote, _ in outputs)
    unnamed = "" in types
    partial = types_lacking(outcomes, state.asked.types) | frozenset(state.narrowed)
    for number, remote, _ in outputs:
        if number in state.short:
            partial |= {remote.type} if remote.type else frozenset(state.asked.types)
    return Arrived(
        files=tuple(path for _, _, path in outputs),
        types=None if unnamed else types,
        partial=partial,
        deleted=tuple(deletions(path for _, remote, path in found if remote.kind == "deleted")),
        transaction_time=_instant(state.transaction_time),
    )


def _here(store: Store, stem: str) -> Path:
    path = store.found(stem)
    if path is None:
        raise BatchError(
            str(store.folder / stem), "is here no more.", "Give another folder, and export anew."
        )
    return path


def _earliest(times: list[str | None]) -> str | None:
    """Of several pages; none, unless each says one that can be read."""
    if any(_instant(each) is None for each in times):
        return None
    return min(
        (each for each in times if each), key=lambda each: _instant(each) or _NEVER, default=None
    )


def _instant(text: str | None) -> datetime | None:
    """An instant; None where it is malformed or says no zone: then the next export is a whole one."""
    try:
        read = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return read.astimezone(UTC) if read.tzinfo else None


_NEVER: Final = datetime.max.replace(tzinfo=UTC)
