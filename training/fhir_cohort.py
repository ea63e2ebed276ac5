"""A FHIR export as a source of subjects: sorted by patient into shards, so that memory is bounded.

The export is read once, in `prepare`; after that one shard at a time is in memory.
"""

import gzip
import hashlib
import logging
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import msgspec

from fhir_mapping.documents import DOCUMENT_TYPES, Document, decode_document
from fhir_mapping.errors import ExportError, MappingError, PatientError
from fhir_mapping.exports import export_files, raw_resources
from fhir_mapping.history import DataIssue, Sources
from fhir_mapping.notes import discharge_summaries
from fhir_mapping.profiles import SHIPPED, Profile, load_profile
from fhir_mapping.reading import history_of
from fhir_mapping.resources import PATIENT_BOUND, AnyResource, decode, latest_versions, type_of
from training.errors import InputError
from training.readers.shards import Sorted, sort_into_shards
from training.subjects import Progress, Subject

_log = logging.getLogger(__name__)
_LINE_LIMIT = 64 * 2**20
_UNPREPARED = datetime.min.replace(tzinfo=UTC)
_DAMAGED = (OSError, EOFError, zlib.error)


class FhirReader:
    """Subjects of a folder of NDJSON (.gz too) or Bundles.

    `follow_up_until`: the last moment of which the export can tell. Unless given it is known after
    `prepare`: the latest start or end of an encounter that took place, or date of a summary; one
    wrong date in the future would move it, so give it where it is known. `profile`: a site profile
    by name; else each patient's is detected. Sources are those of the whole export, as
    `fhir_mapping.exports` has them: a type without a line was not read.
    """

    name = "fhir"

    def __init__(
        self, path: Path, profile: str | None = None, follow_up_until: datetime | None = None
    ) -> None:
        self._path = path
        self._site = _site(profile)
        self._given = follow_up_until
        self.follow_up_until = follow_up_until or _UNPREPARED
        self._files = _files(path)
        self._prepared: Sorted | None = None
        self._print = ""

    def fingerprint(self) -> str:
        """SHA-256 over the names and contents of the files, the profile and the follow-up."""
        if not self._print:
            summed = hashlib.sha256(f"{self._site and self._site.tables}|{self._given}".encode())
            for file in self._files:
                summed.update(f"\n{file.relative_to(self._path.parent).as_posix()}\n".encode())
                summed.update(_content_digest(file))
            self._print = summed.hexdigest()
        return self._print

    def prepare(self, work: Path, shards: int, progress: Progress) -> None:
        """Sort the lines by patient into `work`; resumed file by file. Raises InputError."""
        self._prepared = sort_into_shards(
            self._files,
            lines_of,
            work,
            shards,
            summary_types=_summary_types(self._site),
            progress=progress,
        )
        if not self._prepared.types & PATIENT_BOUND:
            raise InputError(self._path, "no patient's resources were found", "Name a FHIR export")
        if self._given is None and self._prepared.latest:
            self.follow_up_until = datetime.fromisoformat(self._prepared.latest)

    @property
    def sources(self) -> Sources:
        """`read` for each type that occurs in the export, documents apart."""
        types = self._sorted.types - DOCUMENT_TYPES
        return dict.fromkeys(sorted(types), "read")

    def subjects(self, shard: int) -> Iterator[Subject]:
        """The patients of a shard in order of their ids; those without a Patient are left out,
        and their number is logged."""
        shared = latest_versions(_resources(self._sorted.shared()))
        records, documents = _by_patient(self._sorted.lines(shard))
        without = 0
        for subject_id in sorted(records):
            subject = self._subject(subject_id, [*records.pop(subject_id), *shared], documents)
            without += subject is None
            if subject:
                yield subject
        if without:
            _log.warning("shard %d: %d subjects without a Patient resource", shard, without)

    def _subject(
        self,
        subject_id: str,
        resources: list[AnyResource],
        documents: dict[str, list[Document]],
    ) -> Subject | None:
        try:
            history = history_of(resources, profile=self._site)
        except PatientError:
            return None
        site = self._site or load_profile(history.profile)
        notes = discharge_summaries(documents.pop(subject_id, ()), history.visits, site)
        return Subject(subject_id, history, self.sources, notes)

    @property
    def _sorted(self) -> Sorted:
        assert self._prepared is not None, "prepare first"  # noqa: S101 - the caller's order
        return self._prepared


def lines_of(file: Path) -> Iterator[bytes | msgspec.Raw]:
    """The resources of a file, undecoded; NDJSON is streamed. Raises InputError."""
    try:
        yield from _streamed(file) if _is_ndjson(file) else raw_resources(file)
    except _DAMAGED as broken:
        raise InputError(file, "cannot be read to its end", "Export or copy it again") from broken
    except ExportError as broken:
        raise InputError(file, "is no FHIR file", "Export it again or take it away") from broken


def _is_ndjson(file: Path) -> bool:
    """By its first line: a resource that is no Bundle."""
    with _opened(file) as lines:
        return type_of(lines.readline(_LINE_LIMIT)) not in ("", "Bundle")


def _streamed(file: Path) -> Iterator[bytes]:
    with _opened(file) as lines:
        yield from (line for line in lines if line.strip())


def _opened(file: Path) -> IO[bytes]:
    return gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb")  # type: ignore[return-value]


def _content_digest(file: Path) -> bytes:
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").digest()
    except OSError as wrong:
        raise InputError(file, "cannot be read", "Check that it is there and readable") from wrong


def _files(path: Path) -> list[Path]:
    try:
        return export_files(path)
    except ExportError as wrong:
        remedy = "Name a folder of NDJSON files or Bundles, or one such file"
        raise InputError(path, "no FHIR file is there", remedy) from wrong


def _site(profile: str | None) -> Profile | None:
    try:
        return load_profile(profile) if profile else None
    except MappingError as wrong:
        remedy = "Name a shipped profile or the path of a site's TOML"
        raise InputError(f"profile {profile}", "no such site profile", remedy) from wrong


def _summary_types(site: Profile | None) -> frozenset[str]:
    """Where the profile is detected per patient: what any shipped one calls a summary."""
    sites = [site] if site else [load_profile(name) for name in SHIPPED]
    return frozenset().union(*(each.summary_types for each in sites))


def _by_patient(
    lines: Iterable[tuple[str, bytes]],
) -> tuple[dict[str, list[AnyResource]], dict[str, list[Document]]]:
    records: dict[str, list[AnyResource]] = defaultdict(list)
    documents: dict[str, list[Document]] = defaultdict(list)
    for subject, line in lines:
        document = decode_document(line)
        if document is not None and not isinstance(document, DataIssue):
            documents[subject].append(document)
            continue
        resource = decode(line)
        if resource is not None and not isinstance(resource, DataIssue):
            records[subject].append(resource)
    return records, documents


def _resources(lines: Iterable[bytes]) -> Iterator[AnyResource]:
    for line in lines:
        resource = decode(line)
        if resource is not None and not isinstance(resource, DataIssue):
            yield resource
