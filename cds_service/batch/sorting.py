"""The lines of an export sorted by patient (fhir_mapping.shards), and every one accounted for: kept, of
a type that nothing reads, blank, or put aside with its number and the reason, never its content.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Final

import msgspec

from cds_service.batch.errors import BatchError
from cds_service.batch.lines import Line, lines_of
from fhir_mapping.resources import KNOWN_TYPES, PATIENT_BOUND
from fhir_mapping.shards import SEEN, Group, Shards, sort_files, written
from fhir_mapping.subjects import type_and_subject

_ASIDE: Final = "aside.ndjson"
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
class Sorted(Shards):
    """The sorted lines, and what became of all. `before`: of each group that begins inside of a file,
    the lines of that file that lie before it."""

    tally: Tally
    before: Mapping[Path, int] = field(default_factory=dict)

    def aside(self) -> Iterator[bytes]:
        """What was put aside: `{"file": ..., "line": ..., "reason": ...}`."""
        for group in self.groups:
            for line in Shards((group,)).named(_ASIDE):
                said = msgspec.json.decode(line)
                yield msgspec.json.encode(said | {"line": said["line"] + self.before.get(group, 0)})


@dataclass
class Sorter:
    """One group whose lines are sorted; `keep` takes those of a patient: id and resource."""

    group: Group
    keep: Callable[[str, bytes], None]
    tally: Tally = field(default_factory=Tally)

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
        kind, patient = type_and_subject(raw)
        if not kind:
            return self._put_aside(file, number, "not_a_resource")
        if kind not in KNOWN_TYPES:
            self.tally.unused += 1
            return None
        bound = kind in PATIENT_BOUND
        if bound and not (patient and patient.isprintable()):
            return self._put_aside(file, number, "no_patient")
        self.tally.kept += 1
        self.tally.types[kind] = self.tally.types.get(kind, 0) + 1
        resource = raw.replace(b"\n", b" ")
        return self.keep(patient, resource) if bound else self.group.share(resource)

    def _put_aside(self, file: str, number: int, reason: str) -> None:
        self.tally.aside[reason] = self.tally.aside.get(reason, 0) + 1
        said = {"file": file, "line": number, "reason": reason}
        self.group.write(_ASIDE, msgspec.json.encode(said))


def sort_by_patient(
    files: Sequence[Path], work: Path, shards: int, *, step: Callable[[int, int], None]
) -> Sorted:
    """Sort the lines of `files` into `work`; `step` hears how many groups of how many are done.

    Raises BatchError where a file cannot be read or `work` cannot be written.
    """

    def sort(group: Sequence[Path], folder: Path) -> None:
        with sorter_of(folder, shards) as sorter:
            for file in group:
                name = file.name
                for line in lines_of(file):
                    sorter.add(name, line)

    groups = sort_files(files, work, sort=sort, step=step)
    return Sorted(groups, sum_of(map(tally_of, groups)))


def tally_of(group: Path) -> Tally:
    """What became of the lines of a sorted group."""
    return msgspec.json.decode((group / SEEN).read_bytes(), type=Tally)


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """All together."""
    return reduce(Tally.plus, tallies, Tally())


@contextmanager
def sorter_of(
    folder: Path, shards: int, keep: Callable[[str, bytes], None] | None = None, attempt: str = ""
) -> Iterator[Sorter]:
    """A group's folder (`written`); `keep` takes the patients' lines in place of it. Raises
    BatchError where it cannot be written."""
    try:
        with written(folder, shards, attempt) as group:
            sorter = Sorter(group, keep or group.keep)
            yield sorter
            group.write(SEEN, msgspec.json.encode(sorter.tally))
    except OSError as wrong:
        raise BatchError(
            folder.parent.name,
            f"cannot be written ({wrong.strerror or 'input/output error'}).",
            "Free space there and run the same command again: it goes on where it stopped.",
        ) from None
