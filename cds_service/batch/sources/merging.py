"""What an earlier run received and what changed since, made one: each resource once, in its newest version.

The earlier files are written anew without what was replaced or deleted. A resource that went over to
another patient is so taken from the first one.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from cds_service.batch.arrived import Arrived
from cds_service.batch.drafts import drafted
from cds_service.batch.lines import lines_of
from cds_service.batch.progress import Listener
from fhir_mapping.subjects import reference_of, subject_of_malformed

_NUMBER: Final = re.compile(r"^\d{5}-")
_TOO_LONG: Final = b'"a line that was too long"'


def merged(
    before: Arrived,
    new: Arrived,
    folder: Path,
    progress: Listener,
    *,
    without: frozenset[str] = frozenset(),
) -> Arrived:
    """`new` over `before`, whose files are written anew into `folder`; called again, the same comes
    out. `without`: patients of whom nothing is taken over. `patients`: who has anything new, replaced
    or deleted. Raises BatchError."""
    newer, whose = _newer(new.files)
    deleted = {f"{kind}/{name}" for kind, name in new.deleted} - newer
    merging = _Merging(newer | deleted, deleted, without)
    files = []
    for number, file in enumerate(before.files):
        progress.say("Take over what is unchanged", number, len(before.files))
        files.append(merging.rewritten(file, folder / f"{number:05d}-{_own(file)}"))
    types, late = _types(before, new)
    partial = before.partial | new.partial | late
    return replace(
        new,
        files=(*files, *new.files),
        types=types,
        partial=partial if types is None else partial & types,
        patients=frozenset((whose | merging.touched) - {""}),
        gone={patient: frozenset(each) for patient, each in merging.gone.items()},
    )


class _Merging:
    """Leaves out the lines of `dropped` references and notes whose they were; and all of those
    `without` whom it goes on."""

    def __init__(self, dropped: set[str], deleted: set[str], without: frozenset[str]) -> None:
        self._dropped, self._deleted, self._without = dropped, deleted, without
        self.touched: set[str] = set()
        self.gone: dict[str, set[str]] = defaultdict(set)

    def rewritten(self, file: Path, to: Path) -> Path:
        with drafted(to) as draft, draft.open("wb") as written:
            written.writelines(line + b"\n" for line in self._kept(file))
        return to

    def _kept(self, file: Path) -> Iterator[bytes]:
        for line in lines_of(file):
            raw = _TOO_LONG if line.raw is None else line.raw
            name = reference_of(raw)
            if name in self._dropped:
                self._note(name, subject_of_malformed(raw))
            elif not (self._without and subject_of_malformed(raw) in self._without):
                yield raw

    def _note(self, name: str, patient: str) -> None:
        self.touched.add(patient)
        if name in self._deleted:
            self.gone[patient].add(name)


def _newer(files: Iterable[Path]) -> tuple[set[str], set[str]]:
    """References of the resources that replace others, and whose they are. One that has no reference,
    because it cannot be read or has no id, replaces nothing."""
    newer, whose = set(), set()
    for raw in _raws(files):
        newer.add(reference_of(raw))
        whose.add(subject_of_malformed(raw))
    return newer - {""}, whose


def _raws(files: Iterable[Path]) -> Iterator[bytes]:
    return (line.raw for file in files for line in lines_of(file) if line.raw)


def _types(before: Arrived, new: Arrived) -> tuple[frozenset[str] | None, frozenset[str]]:
    """Those of both; and those that came with the changes alone, whose past nobody has read."""
    if before.types is None or new.types is None:
        return None, frozenset()
    return before.types | new.types, new.types - before.types


def _own(file: Path) -> str:
    """Its name without the number that an earlier run gave it: else it grew with each run."""
    return _NUMBER.sub("", file.name).removesuffix(".gz")
