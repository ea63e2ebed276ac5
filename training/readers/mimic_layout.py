"""The tables of MIMIC-IV that are read: where they lie, which columns, which version. Reads headers.

Columns are those of v2.0 to v3.1 (hosp, icu), of MIMIC-IV-ED v2 and of MIMIC-IV-Note v2; what a
version has beside them is passed over. v1 has `ethnicity` for `race` and no `arrival_transport`.
"""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

from training.errors import InputError

_PROJECTS = {
    "hosp": "MIMIC-IV",
    "icu": "MIMIC-IV",
    "ed": "MIMIC-IV-ED",
    "note": "MIMIC-IV-Note",
}
_SUFFIXES = (".csv.gz", ".csv")
_DEEPEST = 4
"""A root above several downloads (`physionet.org/files/mimiciv/3.1/hosp`) is not searched further."""
_LAYOUT = "2"
"""Raised when what `prepare` writes changes: older work is then made anew."""


@dataclass(frozen=True)
class TableSpec:
    """One published table: `module.name`, the columns that are used, an order that is total."""

    module: str
    name: str
    columns: tuple[str, ...]

    @property
    def label(self) -> str:
        """As MIMIC's documentation writes it: `hosp.admissions`."""
        return f"{self.module}.{self.name}"


def _spec(label: str, columns: str) -> TableSpec:
    module, _, name = label.partition(".")
    return TableSpec(module, name, ("subject_id", *columns.split()))


SPECS = (
    _spec("hosp.patients", "gender anchor_age anchor_year anchor_year_group dod"),
    _spec(
        "hosp.admissions",
        "hadm_id admittime dischtime admission_type admission_location discharge_location"
        " insurance race edregtime edouttime",
    ),
    _spec("hosp.services", "hadm_id transfertime curr_service"),
    _spec("hosp.diagnoses_icd", "hadm_id seq_num icd_code icd_version"),
    _spec("hosp.procedures_icd", "hadm_id seq_num chartdate icd_code icd_version"),
    _spec(
        "hosp.labevents",
        "labevent_id hadm_id itemid charttime storetime value valuenum valueuom",
    ),
    _spec("icu.icustays", "hadm_id stay_id intime outtime"),
    _spec("ed.edstays", "hadm_id stay_id intime outtime arrival_transport disposition"),
    _spec(
        "ed.triage",
        "stay_id temperature heartrate resprate o2sat sbp dbp pain acuity chiefcomplaint",
    ),
    _spec("ed.vitalsign", "stay_id charttime temperature heartrate resprate o2sat sbp dbp pain"),
    _spec("ed.medrecon", "stay_id charttime name"),
    _spec("ed.pyxis", "stay_id charttime name"),
    _spec("ed.diagnosis", "stay_id seq_num icd_code icd_version"),
    _spec("note.discharge", "note_id hadm_id note_type note_seq charttime text"),
)
"""`hosp.transfers` is not read: nothing needs it. ED diagnoses are not history, but LACE counts those
of the index visit."""
NEVER_WITHOUT = frozenset(("hosp.patients", "hosp.admissions", "ed.edstays"))


@dataclass(frozen=True)
class Source:
    """A table that is there: its file and the columns in the file's own order."""

    spec: TableSpec
    path: Path
    header: tuple[str, ...]


def find_sources(roots: Mapping[str, Path | None], without: frozenset[str]) -> tuple[Source, ...]:
    """The tables below `roots` (module -> folder, None: the module is not used), headers checked.

    A module whose folder is nowhere is absent, `hosp` excepted; a table that is missing from a
    folder is an error unless named in `without`. Raises InputError.
    """
    _check_without(without)
    folders = {module: _folder(module, root) for module, root in roots.items()}
    _check_folders(roots, folders)
    found = []
    for spec in SPECS:
        folder = folders.get(spec.module)
        if folder is not None and spec.label not in without:
            path = _file(folder, spec)
            found.append(Source(spec, path, _checked_header(path, spec)))
    return tuple(found)


def fingerprint(sources: Iterable[Source], *settings: str) -> str:
    """SHA-256 over table, file name and size of each source and over the settings."""
    parts = [f"{s.spec.label} {s.path.name} {s.path.stat().st_size}" for s in sources]
    return hashlib.sha256("\n".join((_LAYOUT, *parts, *settings)).encode()).hexdigest()


def _check_without(without: frozenset[str]) -> None:
    known = {spec.label for spec in SPECS} - NEVER_WITHOUT
    for label in sorted(without - known):
        raise InputError(
            label,
            "cannot be left out",
            f"Name tables to do without from {', '.join(sorted(known))}",
        )


def _check_folders(roots: Mapping[str, Path | None], folders: Mapping[str, Path | None]) -> None:
    if folders["hosp"] is None:
        root = roots["hosp"]
        old = root is not None and _places(root, "core", ("admissions", "patients"))
        raise InputError(
            f"{root}/hosp",
            "this is MIMIC-IV v1, which keeps admissions in core" if old else "no such folder here",
            "Point to a download of MIMIC-IV v2.x or v3.x, the folder that holds hosp",
        )


def _folder(module: str, root: Path | None) -> Path | None:
    """Where a module lies at or below a root. Raises InputError where it lies there twice."""
    if root is None:
        return None
    if not root.is_dir():
        raise InputError(root, "no such folder", f"Give the folder of {_PROJECTS[module]}")
    places = _places(root, module, tuple(s.name for s in SPECS if s.module == module))
    if len(places) > 1:
        raise InputError(root, f"{len(places)} folders hold {module}", "Point to one version's own")
    return places[0] if places else None


def _places(root: Path, module: str, names: tuple[str, ...]) -> list[Path]:
    level = [root]
    for _ in range(_DEEPEST):
        named = [folder for folder in level if folder.name == module]
        holding = [folder for folder in named if any(_files(folder, name) for name in names)]
        found = holding or named
        if found:
            return found
        level = [child for folder in level for child in sorted(folder.iterdir()) if child.is_dir()]
    return []


def _files(folder: Path, name: str) -> list[Path]:
    candidates = (folder / f"{name}{suffix}" for suffix in _SUFFIXES)
    return [path for path in candidates if path.is_file()]


def _file(folder: Path, spec: TableSpec) -> Path:
    found = _files(folder, spec.name)
    if found:
        return found[0]
    remedy = f"Download {spec.name}.csv.gz of {_PROJECTS[spec.module]}"
    if spec.label not in NEVER_WITHOUT:
        remedy += f", or name {spec.label} among the tables to do without"
    raise InputError(folder / f"{spec.name}.csv.gz", "no such file", remedy)


def _checked_header(path: Path, spec: TableSpec) -> tuple[str, ...]:
    header = _header(path)
    if not header:
        raise InputError(path, "the file is empty", "Download it again; compare its checksum")
    missing = [name for name in spec.columns if name not in header]
    if missing:
        wanted = {"ed": "MIMIC-IV-ED v2.x", "note": "MIMIC-IV-Note v2.x"}
        expected = wanted.get(spec.module, "MIMIC-IV v2.x or v3.x")
        raise InputError(
            path,
            f"wrong version: table {spec.label} has no column {', '.join(missing)}",
            f"{expected} is expected, with the columns {', '.join(spec.columns)}",
        )
    return header


def _header(path: Path) -> tuple[str, ...]:
    try:
        with _opened(path) as lines:
            return tuple(next(csv.reader(lines), ()))
    except (OSError, EOFError, zlib.error, UnicodeError, csv.Error):
        raise InputError(
            path, "cannot be read", "Download it again; compare its checksum"
        ) from None


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8-sig", newline=""))
    return path.open(encoding="utf-8-sig", newline="")
