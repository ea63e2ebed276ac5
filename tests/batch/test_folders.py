"""A folder that is not here, through fsspec: whole files, whatever stops the copy; what is wrong in a sentence."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from cds_service.batch.errors import BatchError
from cds_service.batch.sources.folders import arrive_from_folder
from tests.batch.exporting import Time
from tests.batch.test_bulk_resume import KilledError

PLACE = "memory://north/export"
PATIENT = json.dumps({"resourceType": "Patient", "id": "p"}).encode() + b"\n"
FILES = {
    "Patient.ndjson": PATIENT,
    "more/Patient.ndjson": PATIENT * 3,
    "more/Observation.ndjson.gz": gzip.compress(b"{}\n" * 3_000_000, 1),
    "README.md": b"not FHIR",
}


@pytest.fixture(autouse=True)
def place() -> Iterator[MemoryFileSystem]:
    system: Any = fsspec.filesystem("memory")
    for name, content in FILES.items():
        system.pipe(f"/north/export/{name}", content)
    yield system
    system.rm("/north", recursive=True)


def contents(folder: Path) -> dict[str, bytes]:
    found = arrive_from_folder(PLACE, folder=folder, progress=Time())
    return {file.name: file.read_bytes() for file in found.files}


WHOLE = {
    "00000-Patient.ndjson": FILES["Patient.ndjson"],
    "00001-Observation.ndjson.gz": FILES["more/Observation.ndjson.gz"],
    "00002-Patient.ndjson": FILES["more/Patient.ndjson"],
}


def test_files_are_copied_whole_and_once(tmp_path: Path, place: MemoryFileSystem) -> None:
    assert contents(tmp_path) == WHOLE
    place.rm("/north/export/Patient.ndjson")
    assert contents(tmp_path) == WHOLE


def test_one_file_is_a_source_too(tmp_path: Path) -> None:
    arrived = arrive_from_folder(f"{PLACE}/Patient.ndjson", folder=tmp_path, progress=Time())
    assert [file.name for file in arrived.files] == ["00000-Patient.ndjson"]


def test_a_folder_of_this_machine_by_its_address(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "Patient.ndjson").write_bytes(PATIENT)
    source = (tmp_path / "there").as_uri()
    arrived = arrive_from_folder(source, folder=tmp_path / "here", progress=Time())
    assert [file.read_bytes() for file in arrived.files] == [PATIENT]


@pytest.mark.parametrize("at", range(8))
def test_killed_at_any_rename_or_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    real, left = Path.replace, [at]

    def replace(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] == -1:
            raise KilledError
        moved = real(path, target)
        left[0] -= 1
        if left[0] == -1:
            raise KilledError
        return moved

    with monkeypatch.context() as dying:
        dying.setattr(Path, "replace", replace)
        with pytest.raises(KilledError):
            contents(tmp_path)
    assert contents(tmp_path) == WHOLE
    assert not list(tmp_path.glob(".*"))


def test_a_file_that_changed_since_it_was_listed(
    tmp_path: Path, place: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = MemoryFileSystem.find

    def find(*given: Any, **how: Any) -> Any:
        found = listed(place, *given[1:], **how)
        place.pipe("/north/export/Patient.ndjson", PATIENT * 2)
        return found

    monkeypatch.setattr(MemoryFileSystem, "find", find)
    with pytest.raises(BatchError, match="a file changed since it was listed"):
        contents(tmp_path)
    assert not list(tmp_path.glob("*.ndjson*"))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("s3://north/export", "s3:// needs a package (pip): Install s3fs to access S3."),
        ("gs://north/export", "Please install gcsfs"),
        ("abfs://c@north.dfs.core.windows.net/export", "Install adlfs"),
        ("nothing://north/export", "is not a protocol that fsspec knows"),
        ("memory://nowhere", "has no FHIR file; expected .ndjson"),
        ("file:///nowhere", "has no FHIR file"),
        ("s3://key:secret-word@north/export", "holds a password or a query"),
        ("abfs://north/export?sig=secret-word", "holds a password or a query"),
    ],
)
def test_what_is_wrong_is_a_sentence(tmp_path: Path, source: str, said: str) -> None:
    with pytest.raises(BatchError) as failed:
        arrive_from_folder(source, folder=tmp_path, progress=Time())
    assert said in str(failed.value)
    assert "secret-word" not in str(failed.value)
    assert not list(tmp_path.iterdir())


class NoCredentialsError(Exception):
    """As the packages of the protocols have them."""


@pytest.mark.parametrize("step", ["find", "open"])
@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (PermissionError("key AKIA"), "does not let it be read"),
        (NoCredentialsError("key AKIA"), r"cannot be read \(NoCredentialsError\)"),
        (FileNotFoundError("key AKIA"), "has no such place"),
    ],
)
def test_what_a_store_refuses_is_said_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, raised: Exception, said: str
) -> None:
    def refused(*_: Any, **__: Any) -> Any:
        raise raised

    monkeypatch.setattr(MemoryFileSystem, step, refused)
    with pytest.raises(BatchError, match=said) as failed:
        contents(tmp_path)
    assert "AKIA" not in str(failed.value)


def test_a_run_folder_of_another_place(tmp_path: Path) -> None:
    contents(tmp_path)
    with pytest.raises(BatchError, match="holds a copy of another folder"):
        arrive_from_folder("memory://north", folder=tmp_path, progress=Time())
