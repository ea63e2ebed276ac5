"""Lines of an export sorted by patient into files on disk, group of input files by group.

A group's folder is there whole or not at all: a killed run goes on with the next group.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import IO

import msgspec

from fhir_mapping.documents import DOCUMENT_TYPES, decode_document
from fhir_mapping.elements import Period
from fhir_mapping.history import DataIssue
from fhir_mapping.resources import KNOWN_TYPES, PATIENT_BOUND, Encounter, decode, type_of
from fhir_mapping.subjects import subject_of_malformed
from fhir_mapping.when import parse_when
from training.errors import RunError
from training.subjects import Progress

Raw = bytes | msgspec.Raw
Lines = Callable[[Path], Iterator[Raw]]
_GROUP_BYTES = 256 * 2**20
_SHARED = "shared"
_SEEN = "seen.json"
_NEVER_WAS = frozenset(("planned", "cancelled", "entered-in-error"))


class _Seen(msgspec.Struct):
    """What one group held: types with a readable line, the latest moment in ISO 8601 UTC."""

    types: list[str]
    latest: str


@dataclass(frozen=True)
class Sorted:
    """The sorted lines. `types` with a readable line; `latest`: the last moment seen, or ""."""

    groups: tuple[Path, ...]
    types: frozenset[str]
    latest: str

    def lines(self, shard: int) -> Iterator[tuple[str, bytes]]:
        """(subject id, resource) of one shard, in the order of the input."""
        for line in _lines_in(self.groups, f"{shard:04d}"):
            subject, _, resource = line.partition(b"\t")
            yield subject.decode(), resource

    def shared(self) -> Iterator[bytes]:
        """Resources that belong to no patient."""
        yield from _lines_in(self.groups, _SHARED)


@dataclass
class _Sorter:
    """One group being written."""

    folder: Path
    shards: int
    summary_types: frozenset[str]
    open_files: ExitStack
    types: set[str] = field(default_factory=set)
    latest: str = ""
    _files: dict[str, IO[bytes]] = field(default_factory=dict)

    def add(self, raw: Raw) -> None:
        line, kind = bytes(raw).strip().replace(b"\n", b" "), type_of(raw)
        if kind in DOCUMENT_TYPES and not self._keeps(line):
            return
        if kind not in KNOWN_TYPES and kind not in DOCUMENT_TYPES:
            return
        if kind not in self.types or kind == "Encounter":
            self._notice(line, kind)
        subject = subject_of_malformed(line)
        if kind not in PATIENT_BOUND and kind not in DOCUMENT_TYPES:
            self._write(_SHARED, line)
        elif subject:
            shard = f"{shard_of(subject, self.shards):04d}"
            self._write(shard, subject.encode() + b"\t" + line)

    def _keeps(self, line: bytes) -> bool:
        document = decode_document(line)
        if document is None or isinstance(document, DataIssue):
            return False
        self.latest = max(self.latest, _latest(*document.dates))
        coded = document.document_type.codings if document.document_type else ()
        return any(f"{each.system}|{each.code}" in self.summary_types for each in coded)

    def _notice(self, line: bytes, kind: str) -> None:
        resource = decode(line)
        if kind in DOCUMENT_TYPES or not isinstance(resource, DataIssue | None):
            self.types.add(kind)
        if isinstance(resource, Encounter) and resource.status not in _NEVER_WAS:
            period = resource.period or Period()
            ends = (period.end,) if resource.status == "finished" else ()
            self.latest = max(self.latest, _latest(period.start, *ends))

    def _write(self, name: str, line: bytes) -> None:
        if name not in self._files:
            file = (self.folder / name).open("wb")
            self._files[name] = self.open_files.enter_context(file)
        self._files[name].write(line + b"\n")


def sort_into_shards(
    files: Sequence[Path],
    lines_of: Lines,
    work: Path,
    shards: int,
    *,
    summary_types: frozenset[str],
    progress: Progress,
) -> Sorted:
    """Sort the resources of `files` into `work`. Documents are kept where they are summaries.

    Raises what `lines_of` raises, and RunError where `work` cannot be written.
    """
    groups = list(_groups(files))
    done: list[Path] = []
    for number, group in enumerate(groups):
        folder = work / f"sorted-{number:04d}"
        if not (folder / _SEEN).is_file():
            _sort_group(group, lines_of, folder, shards, summary_types=summary_types)
        done.append(folder)
        progress("Sort by patient", number + 1, len(groups))
    seen = [msgspec.json.decode((each / _SEEN).read_bytes(), type=_Seen) for each in done]
    types = frozenset(kind for each in seen for kind in each.types)
    return Sorted(tuple(done), types, max((each.latest for each in seen), default=""))


def shard_of(subject_id: str, shards: int) -> int:
    """The shard of a patient, by hash."""
    digest = hashlib.sha256(subject_id.encode()).digest()
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


def _sort_group(
    group: Sequence[Path],
    lines_of: Lines,
    folder: Path,
    shards: int,
    *,
    summary_types: frozenset[str],
) -> None:
    draft = folder.with_name(f".{folder.name}.part")
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with ExitStack() as open_files:
            sorter = _Sorter(draft, shards, summary_types, open_files)
            for file in group:
                for raw in lines_of(file):
                    sorter.add(raw)
        seen = _Seen(sorted(sorter.types), sorter.latest)
        (draft / _SEEN).write_bytes(msgspec.json.encode(seen))
        draft.replace(folder)
    except OSError as wrong:
        problem = f"cannot be written ({wrong.strerror or 'input/output error'})"
        remedy = "Free space there and run the same command again: it goes on where it stopped"
        raise RunError(folder.parent, problem, remedy) from wrong
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _lines_in(folders: Iterable[Path], name: str) -> Iterator[bytes]:
    for folder in folders:
        if (folder / name).is_file():
            with (folder / name).open("rb") as lines:
                yield from (line.rstrip(b"\n") for line in lines)


def _latest(*texts: str | None) -> str:
    """The latest of some FHIR times, zone-less ones taken as UTC, as text that sorts."""
    whens = [parse_when(text, UTC) for text in texts if text]
    return max((when.latest.isoformat() for when in whens if when), default="")
