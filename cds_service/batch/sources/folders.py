"""A folder that is not on this machine (`s3://...`, `gs://...`, `abfs://...`), copied through fsspec.

What it listed the first time is what is copied: each file whole or not there, so that a killed copy
goes on. Credentials are those that the protocol's package finds; an address holds none.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Final
from urllib.parse import urlsplit

import msgspec
from fsspec.core import url_to_fs
from fsspec.registry import known_implementations

from cds_service.batch.arrived import Arrived
from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import Listener
from fhir_mapping.exports import SUFFIXES

NAME: Final = "folder.json"
_CHUNK: Final = 2**20


class _Listed(msgspec.Struct, frozen=True):
    """A file there: its path, its size in bytes, and its name here."""

    path: str
    size: int
    name: str


class _Copy(msgspec.Struct, frozen=True):
    source: str
    files: tuple[_Listed, ...]


def is_elsewhere(source: str) -> bool:
    """Whether a source is an address that fsspec reads."""
    return "://" in source


def arrive_from_folder(source: str, *, folder: Path, progress: Listener) -> Arrived:
    """The FHIR files under `source`, copied into `folder`. Raises BatchError."""
    _check(source)
    copy = _known(folder, source)
    if copy is None:
        progress.say("List the folder")
        copy = _keep(folder, _Copy(source, tuple(_listed(source))))
    missing = [each for each in copy.files if not (folder / each.name).is_file()]
    done, total = len(copy.files) - len(missing), len(copy.files)
    for number, each in enumerate(missing, start=done):
        progress.say(f"Copy files, {each.size / 1e6:.0f} MB in this one", number, total)
        _fetch(source, each, folder)
    progress.say("Copy files", total, total)
    return Arrived(tuple(folder / each.name for each in copy.files))


def _check(source: str) -> None:
    """What an address holds stands in the run's folder and in a shell's history."""
    parts = urlsplit(source)
    if parts.password is not None or parts.query or parts.fragment:
        raise BatchError(
            "--from",
            "holds a password or a query.",
            "Name the folder alone; the package of the protocol finds credentials in the environment.",
        )


def _listed(source: str) -> Iterator[_Listed]:
    with _troubles(source):
        system, path = url_to_fs(source)
        found = system.find(path, detail=True)
    named = [each for each in sorted(found) if each.endswith(SUFFIXES)]
    if not named:
        raise BatchError(
            "--from", f"has no FHIR file; expected {', '.join(SUFFIXES)}.", "Check the address."
        )
    for number, each in enumerate(named):
        name = f"{number:05d}-{PurePosixPath(each).name}"
        yield _Listed(each, found[each]["size"], name)


def _fetch(source: str, listed: _Listed, folder: Path) -> None:
    with _troubles(source):
        system, _ = url_to_fs(source)
        there = system.open(listed.path, "rb")
    with there, drafted(folder / listed.name) as draft, draft.open("wb") as here:
        while chunk := _read(source, there):
            here.write(chunk)
        here.flush()
        os.fsync(here.fileno())
        if here.tell() != listed.size:
            raise BatchError("--from", "a file changed since it was listed.", _ANOTHER)


def _read(source: str, there: IO[bytes]) -> bytes:
    with _troubles(source):
        return there.read(_CHUNK)


@contextmanager
def _troubles(source: str) -> Iterator[None]:
    """Each protocol's package has errors of its own, whose texts may hold what nobody should read."""
    scheme = urlsplit(source).scheme
    try:
        yield
    except ImportError:
        needs = known_implementations.get(scheme, {}).get("err", "")
        raise BatchError(
            "--from", f"{scheme}:// needs a package (pip): {needs}.", _INSTALL
        ) from None
    except Exception as wrong:
        what = _SAID.get(type(wrong), f"cannot be read ({type(wrong).__name__}).")
        raise BatchError("--from", f"{scheme}:// {what}", _CHECK) from None


def _known(folder: Path, source: str) -> _Copy | None:
    try:
        copy = msgspec.json.decode((folder / NAME).read_bytes(), type=_Copy)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError):
        raise BatchError(str(folder / NAME), "is not what was written there.", _ANOTHER) from None
    if copy.source != source:
        raise BatchError(str(folder), "holds a copy of another folder.", _ANOTHER)
    return copy


def _keep(folder: Path, copy: _Copy) -> _Copy:
    with drafted(folder / NAME) as draft:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(copy)))
    return copy


_SAID: Final[Mapping[type[Exception], str]] = {
    ValueError: "is not a protocol that fsspec knows, or not an address of it.",
    FileNotFoundError: "has no such place.",
    PermissionError: "does not let it be read.",
}
_INSTALL: Final = "Install it beside readmit and start again."
_CHECK: Final = "Check the address, and the credentials in the environment."
_ANOTHER: Final = "Give --run another folder, or remove this one."
