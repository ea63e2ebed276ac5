"""Lines of an export sorted by patient (fhir_mapping.shards), documents too; and what the whole tells."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from pathlib import Path

import msgspec

from fhir_mapping.documents import DOCUMENT_TYPES, decode_document
from fhir_mapping.elements import Period
from fhir_mapping.history import DataIssue
from fhir_mapping.resources import KNOWN_TYPES, PATIENT_BOUND, Encounter, decode
from fhir_mapping.shards import SEEN, Group, Shards, sort_files, written
from fhir_mapping.subjects import type_and_subject
from fhir_mapping.when import parse_when
from training.errors import RunError
from training.subjects import Progress

Raw = bytes | msgspec.Raw
Lines = Callable[[Path], Iterator[Raw]]
_NEVER_WAS = frozenset(("planned", "cancelled", "entered-in-error"))


class _Seen(msgspec.Struct):
    """What one group held: types with a readable line, the latest moment in ISO 8601 UTC."""

    types: list[str]
    latest: str


@dataclass(frozen=True)
class Sorted(Shards):
    """The sorted lines. `types` with a readable line; `latest`: the last moment seen, or ""."""

    types: frozenset[str]
    latest: str


@dataclass
class _Sorter:
    """One group being written."""

    group: Group
    summary_types: frozenset[str]
    types: set[str] = field(default_factory=set)
    latest: str = ""

    def add(self, raw: Raw) -> None:
        line = bytes(raw).strip().replace(b"\n", b" ")
        kind, subject = type_and_subject(line)
        if kind in DOCUMENT_TYPES and not self._keeps(line):
            return
        if kind not in KNOWN_TYPES and kind not in DOCUMENT_TYPES:
            return
        if kind not in self.types or kind == "Encounter":
            self._notice(line, kind)
        if kind not in PATIENT_BOUND and kind not in DOCUMENT_TYPES:
            self.group.share(line)
        elif subject:
            self.group.keep(subject, line)

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

    def sort(group: Sequence[Path], folder: Path) -> None:
        with written(folder, shards) as into:
            sorter = _Sorter(into, summary_types)
            for file in group:
                for raw in lines_of(file):
                    sorter.add(raw)
            into.write(SEEN, msgspec.json.encode(_Seen(sorted(sorter.types), sorter.latest)))

    try:
        groups = sort_files(files, work, sort=sort, step=partial(progress, "Sort by patient"))
    except OSError as wrong:
        problem = f"cannot be written ({wrong.strerror or 'input/output error'})"
        remedy = "Free space there and run the same command again: it goes on where it stopped"
        raise RunError(work, problem, remedy) from wrong
    seen = [msgspec.json.decode((each / SEEN).read_bytes(), type=_Seen) for each in groups]
    types = frozenset(kind for each in seen for kind in each.types)
    return Sorted(groups, types, max((each.latest for each in seen), default=""))


def _latest(*texts: str | None) -> str:
    """The latest of some FHIR times, zone-less ones taken as UTC, as text that sorts."""
    whens = [parse_when(text, UTC) for text in texts if text]
    return max((when.latest.isoformat() for when in whens if when), default="")
