"""The lines of an export sorted by patient into shards on disk, so that memory is bounded.

Input files are taken in groups. A group's folder is there whole or not at all: a killed run goes on
with the next group. Every line is accounted for: kept, of a type that nothing reads, blank, or put
aside with its number and the reason, never its content.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import IO, Final

import msgspec

from cds_service.batch.errors import BatchError
from cds_service.batch.lines import Line, lines_of
from fhir_mapping.resources import KNOWN_TYPES, PATIENT_BOUND, type_of
from fhir_mapping.subjects import subject_of_malformed

_GROUP_BYTES: Final = 256 * 2**20
_ASIDE: Final = "aside.ndjson"
SEEN: Final = "seen.json"
"""What became of a group's lines; a group that has it is whole."""
_SHARED: Final = "shared"
_MODULUS: Final = 2**64


class Tally(msgspec.Struct):
    """How many lines were read and what became of them. `checksum` is the sum over all that are
    not blank of the first eight bytes of their SHA-256: whatever the order, the same."""

    lines: int = 0
    kept: int = 0
    unused: int = 0
    blank: int = 0
    aside: dict[str, int] = msgspec.field(default_factory=dict)
    types: dict[str, int] = msgspec.field(default_factory=dict)
    checksum: int = 0

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.lines + other.lines,
            self.kept + other.kept,
            self.unused + other.unused,
            self.blank + other.blank,
            dict(Counter(self.aside) + Counter(other.aside)),
            dict(Counter(self.types) + Counter(other.types)),
            (self.checksum + other.checksum) % _MODULUS,
        )


@dataclass(frozen=True)
class Sorted:
    """The sorted lines, and what became of all. `before`: of each group that begins inside of a file,
    the lines of that file that lie before it."""

    groups: tuple[Path, ...]
    tally: Tally
    before: Mapping[Path, int] = field(default_factory=dict)

    def lines(self, shard: int) -> Iterator[tuple[str, bytes]]:
        """(patient id, resource) of one shard, in the order of the input."""
        for line in _lines_in(self.groups, f"{shard:04d}"):
            patient, _, resource = line.partition(b"\t")
            yield patient.decode(), resource

    def shared(self) -> Iterator[bytes]:
        """Resources that belong to no patient."""
        yield from _lines_in(self.groups, _SHARED)

    def aside(self) -> Iterator[bytes]:
        """What was put aside: `{"file": ..., "line": ..., "reason": ...}`."""
        for group in self.groups:
            for line in _lines_in([group], _ASIDE):
                said = msgspec.json.decode(line)
                yield msgspec.json.encode(said | {"line": said["line"] + self.before.get(group, 0)})


@dataclass
class Sorter:
    """One group whose lines are sorted into its folder; `keep` takes those of a patient in place of
    the folder: patient id and resource."""

    folder: Path
    shards: int
    open_files: ExitStack
    keep: Callable[[str, bytes], None] | None = None
    tally: Tally = field(default_factory=Tally)
    _files: dict[str, IO[bytes]] = field(default_factory=dict)

    def add(self, file: str, line: Line) -> None:
        """Take one line of `file`, whichever it is."""
        self.tally.lines += 1
        if line.raw is None:
            return self._put_aside(file, line.number, "line_too_long")
        raw = line.raw.strip()
        if not raw:
            self.tally.blank += 1
            return None
        summed = int.from_bytes(hashlib.sha256(raw).digest()[:8])
        self.tally.checksum = (self.tally.checksum + summed) % _MODULUS
        return self._place(file, line.number, raw)

    def _place(self, file: str, number: int, raw: bytes) -> None:
        kind = type_of(raw)
        if not kind:
            return self._put_aside(file, number, "not_a_resource")
        if kind not in KNOWN_TYPES:
            self.tally.unused += 1
            return None
        patient = subject_of_malformed(raw)
        if kind in PATIENT_BOUND and not (patient and patient.isprintable()):
            return self._put_aside(file, number, "no_patient")
        self.tally.kept += 1
        self.tally.types[kind] = self.tally.types.get(kind, 0) + 1
        return self._keep(kind, patient, raw.replace(b"\n", b" "))

    def _keep(self, kind: str, patient: str, raw: bytes) -> None:
        if kind in PATIENT_BOUND and self.keep:
            self.keep(patient, raw)
        elif kind in PATIENT_BOUND:
            self._write(f"{shard_of(patient, self.shards):04d}", patient.encode() + b"\t" + raw)
        else:
            self._write(_SHARED, raw)

    def _put_aside(self, file: str, number: int, reason: str) -> None:
        self.tally.aside[reason] = self.tally.aside.get(reason, 0) + 1
        said = {"file": file, "line": number, "reason": reason}
        self._write(_ASIDE, msgspec.json.encode(said))

    def _write(self, name: str, line: bytes) -> None:
        if name not in self._files:
            file = (self.folder / name).open("wb")
            self._files[name] = self.open_files.enter_context(file)
        self._files[name].write(line + b"\n")


def sort_by_patient(
    files: Sequence[Path], work: Path, shards: int, *, step: Callable[[int, int], None]
) -> Sorted:
    """Sort the lines of `files` into `work`; `step` hears how many groups of how many are done.

    Raises BatchError where a file cannot be read or `work` cannot be written.
    """
    groups = list(_groups(files))
    done: list[Path] = []
    for number, group in enumerate(groups):
        folder = work / f"sorted-{number:04d}"
        if not (folder / SEEN).is_file():
            _sort_group(group, folder, shards)
        done.append(folder)
        step(number + 1, len(groups))
    return Sorted(tuple(done), sum_of(map(tally_of, done)))


def tally_of(group: Path) -> Tally:
    """What became of the lines of a sorted group."""
    return msgspec.json.decode((group / SEEN).read_bytes(), type=Tally)


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """All together."""
    return reduce(Tally.plus, tallies, Tally())


def shard_of(patient: str, shards: int) -> int:
    """The shard of a patient, by hash."""
    digest = hashlib.sha256(patient.encode()).digest()
    return int.from_bytes(digest[:8]) % shards


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


def _sort_group(group: Sequence[Path], folder: Path, shards: int) -> None:
    with sorter_of(folder, shards) as sorter:
        for file in group:
            for line in lines_of(file):
                sorter.add(file.name, line)


@contextmanager
def sorter_of(
    folder: Path, shards: int, keep: Callable[[str, bytes], None] | None = None, attempt: str = ""
) -> Iterator[Sorter]:
    """A group's folder: there when the block ends well, unless it was there before. `attempt` tells
    processes apart that do the same. Raises BatchError where it cannot be written."""
    draft = folder.with_name(f".{folder.name}{attempt}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with ExitStack() as open_files:
            sorter = Sorter(draft, shards, open_files, keep)
            yield sorter
        (draft / SEEN).write_bytes(msgspec.json.encode(sorter.tally))
        _rename(draft, folder)
    except OSError as wrong:
        raise BatchError(
            folder.parent.name,
            f"cannot be written ({wrong.strerror or 'input/output error'}).",
            "Free space there and run the same command again: it goes on where it stopped.",
        ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _rename(draft: Path, folder: Path) -> None:
    try:
        draft.replace(folder)
    except OSError:
        if not (folder / SEEN).is_file():
            raise


def _lines_in(folders: Iterable[Path], name: str) -> Iterator[bytes]:
    for folder in folders:
        if (folder / name).is_file():
            with (folder / name).open("rb") as lines:
                yield from (line.rstrip(b"\n") for line in lines)
