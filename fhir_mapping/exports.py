"""A folder or file of FHIR (NDJSON, .gz too, or Bundles) into one record per patient.

Reads files and nothing else. Blank lines and types that no feature reads are passed over.
"""

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from fhir_mapping.errors import ExportError
from fhir_mapping.history import DataIssue, Sources
from fhir_mapping.resources import (
    KNOWN_TYPES,
    AnyResource,
    Location,
    Medication,
    decode,
    type_of,
)
from fhir_mapping.subjects import subject_of
from fhir_mapping.support import Support

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SUFFIXES = (".ndjson", ".jsonl", ".json", ".ndjson.gz", ".jsonl.gz", ".json.gz")


_NOTHING = msgspec.Raw(b"null")


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = _NOTHING  # `Raw | None` would take null alone


class _Bundle(msgspec.Struct):
    entry: tuple[_Entry, ...] | None = None


@dataclass
class Export:
    """The resources of each patient, with those that belong to none. `sources` speaks of the
    whole export: a type that has no line was not exported, so not read."""

    patients: dict[str, list[AnyResource]] = field(default_factory=lambda: defaultdict(list))
    shared: list[AnyResource] = field(default_factory=list)
    issues: list[DataIssue] = field(default_factory=list)
    types: set[str] = field(default_factory=set)

    @property
    def sources(self) -> Sources:
        """`read` for every type that occurs (an export holds the whole look-back)."""
        return dict.fromkeys(sorted(self.types), "read")

    def records(self) -> Iterator[tuple[str, list[AnyResource]]]:
        """Patient id and resources, in order of the ids, with the Locations and Medications that
        these refer to."""
        support = Support(self.shared)
        for patient in sorted(self.patients):
            record = self.patients[patient]
            yield patient, [*record, *support.of(record)]

    def add(self, raw: bytes | msgspec.Raw) -> None:
        """Decode one resource and put it with its patient."""
        resource = decode(raw)
        if isinstance(resource, DataIssue):
            self.issues.append(resource)
        elif resource is not None:
            self.types.add(resource.type)
            self._place(resource)

    def _place(self, resource: AnyResource) -> None:
        if isinstance(resource, Location | Medication):
            self.shared.append(resource)
            return
        subject = subject_of(resource)
        if subject:
            self.patients[subject].append(resource)
        else:
            self.issues.append(DataIssue("subject_missing", resource.type))


def read_export(path: Path) -> Export:
    """Read every FHIR file below `path`. Raises ExportError naming the file and what to do."""
    export = Export()
    for file in export_files(path):
        for raw in raw_resources(file):
            export.add(raw)
    if not export.patients:
        kinds = ", ".join(sorted(KNOWN_TYPES))
        raise ExportError(f"{path}: no patient's resources found; expected some of {kinds}")
    return export


def export_files(path: Path) -> list[Path]:
    """The FHIR files of a folder, or the one file. Raises ExportError where there are none."""
    found = [path] if path.is_file() else sorted(path.rglob("*")) if path.is_dir() else []
    files = [each for each in found if each.is_file() and each.name.endswith(SUFFIXES)]
    if not files:
        raise ExportError(f"{path}: no FHIR file; expected {', '.join(SUFFIXES)}")
    return files


def raw_resources(file: Path) -> Iterator[bytes | msgspec.Raw]:
    """Every resource of a file, undecoded. Raises ExportError where it cannot be read."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as broken:
        raise ExportError(f"{file}: cannot be read; check that it is a whole file") from broken
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if type_of(content) == "Bundle":
        yield from _entries(content, file)
    elif type_of(content):
        yield content
    else:
        yield from (line for line in content.splitlines() if line.strip())


def _entries(content: bytes, file: Path) -> Iterator[msgspec.Raw]:
    try:
        bundle = msgspec.json.decode(content, type=_Bundle)
    except (msgspec.MsgspecError, RecursionError) as broken:
        raise ExportError(f"{file}: a Bundle whose entries cannot be read") from broken
    resources = (entry.resource for entry in bundle.entry or ())
    yield from (resource for resource in resources if bytes(resource) != bytes(_NOTHING))
