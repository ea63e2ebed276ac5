"""The lines of an export sorted by patient (fhir_mapping.shards), and every one accounted for: kept, of
a type that nothing reads, blank, or put aside with its number and the reason, never its content.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Final

import msgspec

from cds_service.batch.errors import BatchError
from cds_service.batch.lines import Line, lines_of
from fhir_mapping.resources import KNOWN_TYPES, PATIENT_BOUND
from fhir_mapping.shards import Group, Shards, sort_files
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
    """The sorted lines, and what became of all."""

    tally: Tally

    def aside(self) -> Iterator[bytes]:
        """What was put aside: `{"file": ..., "line": ..., "reason": ...}`."""
        return self.named(_ASIDE)


@dataclass
class _Sorter:
    """One group being written."""

    group: Group
    tally: Tally = field(default_factory=Tally)

    def add(self, file: str, line: Line) -> None:
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
        if kind in PATIENT_BOUND and not (patient and patient.isprintable()):
            return self._put_aside(file, number, "no_patient")
        self.tally.kept += 1
        self.tally.types[kind] = self.tally.types.get(kind, 0) + 1
        return self._keep(kind, patient, raw.replace(b"\n", b" "))

    def _keep(self, kind: str, patient: str, raw: bytes) -> None:
        if kind in PATIENT_BOUND:
            self.group.keep(patient, raw)
        else:
            self.group.share(raw)

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
    try:
        done = sort_files(files, work, shards, sort=_sort, step=step)
        tallies = [msgspec.json.decode(each, type=Tally) for each in done.seen()]
    except OSError as wrong:
        raise BatchError(
            work.name,
            f"cannot be written ({wrong.strerror or 'input/output error'}).",
            "Free space there and run the same command again: it goes on where it stopped.",
        ) from None
    return Sorted(done.groups, reduce(Tally.plus, tallies, Tally()))


def _sort(files: Sequence[Path], group: Group) -> bytes:
    sorter = _Sorter(group)
    for file in files:
        name = file.name
        for line in lines_of(file):
            sorter.add(name, line)
    return msgspec.json.encode(sorter.tally)
