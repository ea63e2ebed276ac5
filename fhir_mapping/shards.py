"""Resources sorted by patient into shards on disk, so that one shard at a time is in memory.

Input files are taken in groups. A group's folder is there whole or not at all: whoever was killed
goes on with the next group. What writes raises OSError.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO

_GROUP_BYTES = 256 * 2**20
_BUFFER_BYTES = 64 * 2**10
_READ_BYTES = 256 * 2**10
_SHARED = "shared"
SEEN = "seen.json"
"""What was seen in a group's lines; a group that has it is whole."""


@dataclass(frozen=True)
class Shards:
    """The sorted lines of all groups."""

    groups: tuple[Path, ...]

    def lines(self, shard: int) -> Iterator[tuple[str, bytes]]:
        """(patient id, resource) of one shard, in the order of the input."""
        for line in self._lines(_name(shard)):
            tab = line.index(b"\t")
            yield line[:tab].decode(), line[tab + 1 : -1]

    def shared(self) -> Iterator[bytes]:
        """Resources that belong to no patient."""
        return self.named(_SHARED)

    def named(self, name: str) -> Iterator[bytes]:
        """The lines of that file of every group that has it."""
        return (line[:-1] for line in self._lines(name))

    def _lines(self, name: str) -> Iterator[bytes]:
        for group in self.groups:
            if (group / name).is_file():
                with (group / name).open("rb", buffering=_READ_BYTES) as lines:
                    yield from lines


@dataclass
class Group:
    """A group being written; no resource has a line break in it."""

    folder: Path
    shards: int
    _open: ExitStack
    _files: dict[str, IO[bytes]] = field(default_factory=dict)

    def keep(self, patient: str, resource: bytes) -> None:
        """With the patient's other resources."""
        file = self._file(_file_of(patient, self.shards))
        file.write(b"%b\t%b\n" % (patient.encode(), resource))

    def share(self, resource: bytes) -> None:
        """A resource that belongs to no patient."""
        self.write(_SHARED, resource)

    def write(self, name: str, line: bytes) -> None:
        """At the end of that file of the group."""
        self._file(name).write(b"%b\n" % line)

    def _file(self, name: str) -> IO[bytes]:
        file = self._files.get(name)
        if file is None:
            opened = (self.folder / name).open("wb", buffering=_BUFFER_BYTES)
            file = self._files[name] = self._open.enter_context(opened)
        return file


def sort_files(
    files: Sequence[Path],
    work: Path,
    *,
    sort: Callable[[Sequence[Path], Path], None],
    step: Callable[[int, int], None],
) -> tuple[Path, ...]:
    """The folders of all groups, below `work`. `sort` makes one of some files (`written`); `step`
    hears how many of how many are done.
    """
    groups, done = list(_groups(files)), []
    for number, group in enumerate(groups):
        folder = work / f"sorted-{number:04d}"
        if not (folder / SEEN).is_file():
            sort(group, folder)
        done.append(folder)
        step(number + 1, len(groups))
    return tuple(done)


@contextmanager
def written(folder: Path, shards: int, attempt: str = "") -> Iterator[Group]:
    """A group's folder, there when the block ends well; it is to write SEEN last. `attempt` tells
    processes apart that do the same: the first to end has it."""
    draft = folder.with_name(f".{folder.name}{attempt}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with ExitStack() as opened:
            yield Group(draft, shards, opened)
        _rename(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename(draft: Path, folder: Path) -> None:
    try:
        draft.replace(folder)
    except OSError:
        if not (folder / SEEN).is_file():
            raise


@lru_cache(maxsize=2**16)
def _file_of(patient: str, shards: int) -> str:
    return _name(shard_of(patient, shards))


def shard_of(patient: str, shards: int) -> int:
    """The shard of a patient, by hash."""
    digest = hashlib.sha256(patient.encode()).digest()
    return int.from_bytes(digest[:8]) % shards


def _name(shard: int) -> str:
    return f"{shard:04d}"


def _groups(files: Sequence[Path]) -> Iterator[list[Path]]:
    """Neighbouring files of 256 MiB together: neither a folder per file nor one for all."""
    group: list[Path] = []
    size = 0
    for file in files:
        group.append(file)
        size += file.stat().st_size
        if size >= _GROUP_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group
