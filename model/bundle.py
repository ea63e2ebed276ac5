"""A bundle: the folder in which a model is released, checked whole before it is used.

docs/reference/bundle.md is the format in words. Nothing in a bundle is executed. What its
numbers say about one patient is scoring.py's business.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec

from model import errors
from model.manifest import CATALOGUE, FORMAT, MANIFEST, REQUIRED, SAMPLES, SCORES, Manifest
from model.published import PublishedScore, Sample
from model.trained import SCHEMA, TrainedError, TrainedModel, read_trained

_REPAIR = "Take the bundle anew from where it was released, or have it built and reviewed again"
_T = TypeVar("_T")


@dataclass(frozen=True)
class Bundle:
    """A loaded, verified bundle. `digest` is the manifest's: it stands for every byte.

    `trained` None: the bundle has no network, only published scores. `positions`: where in the
    catalogue each of the manifest's features stands.
    """

    manifest: Manifest
    digest: str
    published: Mapping[str, PublishedScore]
    path: Path
    trained: TrainedModel | None = field(default=None, compare=False)  # tensors have no one answer
    positions: tuple[int, ...] = ()


def load_bundle(path: Path, *, mapping_digest: str | None = None) -> Bundle:
    """Read and verify. With `mapping_digest` also refuse a bundle made for another mapping.

    Raises a BundleError that names the file and what to do.
    """
    present = _plain_files(path)
    if MANIFEST not in present:
        raise errors.MissingFileError(path / MANIFEST, "not there", _REPAIR)
    raw = _read(path / MANIFEST)
    manifest = _manifest(path / MANIFEST, raw)
    _check_names(path, manifest, present)
    contents = {name: _verified(path / name, summed) for name, summed in manifest.files.items()}
    positions = _check_catalogue(path, manifest, contents[CATALOGUE])
    _check_mapping(path, manifest, mapping_digest)
    published = _published(path / SCORES, contents[SCORES])
    _check_samples(path / SAMPLES, contents[SAMPLES], published)
    return Bundle(
        manifest, sha256(raw), published, path, _trained(path, manifest, contents), positions
    )


def write_bundle(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> Bundle:
    """Write a new folder: `contents`, and `manifest` with their digests; then load it."""
    named = {name: sha256(content) for name, content in sorted(contents.items())}
    complete = msgspec.structs.replace(manifest, files=named)
    _check_safe(path, complete)
    try:
        path.mkdir(parents=True)
    except FileExistsError as error:
        raise errors.BundleExistsError(path, "already there", "Choose a new folder") from error
    for name, content in contents.items():
        (path / name).write_bytes(content)
    (path / MANIFEST).write_bytes(as_json(complete))
    return load_bundle(path)


def as_json(value: object) -> bytes:
    """The one way in which a bundle's JSON is laid out, so that digests are reproducible."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def sha256(content: bytes) -> str:
    """Hexadecimal SHA-256, as manifests state it."""
    return hashlib.sha256(content).hexdigest()


def _plain_files(folder: Path) -> frozenset[str]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        problem = f"no bundle folder can be read here ({error.strerror})"
        remedy = f"Name the folder that holds {MANIFEST}"
        raise errors.BundleMissingError(folder, problem, remedy) from error
    for entry in entries:
        if entry.is_symlink() or not entry.is_file():
            problem = "a bundle holds plain files only, no link, folder or device"
            raise errors.UnsafeFileError(entry, problem, "Remove it or put the file itself here")
    return frozenset(entry.name for entry in entries)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise errors.MissingFileError(file, problem, "Give the service read access") from error


def _verified(file: Path, expected: str) -> bytes:
    content = _read(file)
    if sha256(content) != expected:
        raise errors.DigestError(file, f"its SHA-256 is not the one in {MANIFEST}", _REPAIR)
    return content


def _decode(file: Path, raw: bytes, form: type[_T]) -> _T:
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        problem = f"not what format {FORMAT} asks for: {error}"
        raise errors.ContentError(file, problem, _REPAIR) from error


class _Envelope(msgspec.Struct):
    format: int


def _manifest(file: Path, raw: bytes) -> Manifest:
    stated = _decode(file, raw, _Envelope).format  # first: another format has other fields
    if stated != FORMAT:
        problem = f"format {stated}, and this version reads format {FORMAT}"
        remedy = "Install the version of Readmit that the bundle was released for"
        raise errors.FormatError(file, problem, remedy)
    return _decode(file, raw, Manifest)


def _check_safe(folder: Path, manifest: Manifest) -> None:
    for name in manifest.files:
        if not name or name in {".", ".."} or {*name} & {*"/\\:\0"} or name == MANIFEST:
            problem = f"files lists {name!r}, which is no file name inside the bundle"
            raise errors.UnsafeFileError(folder / MANIFEST, problem, _REPAIR)


def _check_names(folder: Path, manifest: Manifest, present: frozenset[str]) -> None:
    _check_safe(folder, manifest)
    for name in REQUIRED[manifest.kind]:
        if name not in manifest.files:
            problem = f"{MANIFEST} does not list it, and kind {manifest.kind} needs it"
            raise errors.MissingFileError(folder / name, problem, _REPAIR)
    for name in sorted(manifest.files.keys() - present):
        raise errors.MissingFileError(folder / name, f"{MANIFEST} lists it; it is gone", _REPAIR)
    for name in sorted(present - manifest.files.keys() - {MANIFEST}):
        raise errors.ExtraFileError(folder / name, f"{MANIFEST} does not list it", "Remove it")


def _check_catalogue(folder: Path, manifest: Manifest, raw: bytes) -> tuple[int, ...]:
    try:
        rows = list(csv.DictReader(raw.decode().splitlines()))
        names = [row["name"] for row in rows]
        groups = {row["coverage_group"] for row in rows}
    except (UnicodeError, csv.Error, KeyError) as error:
        problem = f"not a table with the columns name and coverage_group ({error})"
        raise errors.ContentError(folder / CATALOGUE, problem, _REPAIR) from error
    unknown = sorted({*manifest.features} - {*names} | {*manifest.coverage_floors} - groups)
    if unknown:
        problem = f"speaks of {', '.join(unknown)}, which {CATALOGUE} does not have"
        raise errors.ContentError(folder / MANIFEST, problem, _REPAIR)
    return tuple(names.index(feature) for feature in manifest.features)


def _trained(
    folder: Path, manifest: Manifest, contents: Mapping[str, bytes]
) -> TrainedModel | None:
    if manifest.kind != "trained":
        return None
    try:
        model = read_trained(contents)
    except TrainedError as error:
        kind = errors.SampleError if error.sample else errors.ContentError
        raise kind(folder / error.file, error.problem, _REPAIR) from error
    if model.schema.names != manifest.features:
        problem = f"its columns are not the features of {MANIFEST}"
        raise errors.ContentError(folder / SCHEMA, problem, _REPAIR)
    return model


def _check_mapping(folder: Path, manifest: Manifest, expected: str | None) -> None:
    if expected not in (None, manifest.mapping_digest):
        problem = "made for another catalogue or other code lists than those installed"
        remedy = "Install the version of Readmit it was released for, or have the bundle rebuilt"
        raise errors.MappingDigestError(folder / MANIFEST, problem, remedy)


def _published(file: Path, raw: bytes) -> dict[str, PublishedScore]:
    scores = _decode(file, raw, tuple[PublishedScore, ...])
    by_name = {score.name: score for score in scores}
    if len(by_name) != len(scores) or not scores:
        problem = "needs at least one score, and each name once"
        raise errors.ContentError(file, problem, _REPAIR)
    return by_name


def _check_samples(file: Path, raw: bytes, published: Mapping[str, PublishedScore]) -> None:
    samples = _decode(file, raw, tuple[Sample, ...])
    for sample in samples:
        if sample.score not in published or not sample.holds(published[sample.score]):
            problem = f"{sample.score} at {sample.points} points no longer reads as stored"
            raise errors.SampleError(file, problem, _REPAIR)
    for name in sorted(published.keys() - {sample.score for sample in samples}):
        raise errors.SampleError(file, f"no sample of {name}", _REPAIR)
