"""The resources of an export's files one by one, with the number of their line. Memory: one line.

NDJSON is streamed, gzip too; a `.json` file (a Bundle, or one resource) is read whole.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, NamedTuple

from cds_service.batch.errors import BatchError
from fhir_mapping.errors import ExportError
from fhir_mapping.exports import raw_resources

LONGEST: Final = 64 * 1024 * 1024
"""Bytes of a line; what is longer is put aside."""
_READ_BYTES: Final = 256 * 1024
"""The usual 8 KiB are ten lines."""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WHOLE: Final = (".json", ".json.gz")


class Line(NamedTuple):
    """One line, or one entry of a Bundle: `number` counts from 1, blank lines too, from where reading
    began. `raw` is None where it is longer than LONGEST."""

    number: int
    raw: bytes | None


def lines_of(file: Path, begin: int = 0, end: int | None = None) -> Iterator[Line]:
    """Every line of a file that begins at one of its bytes [begin, end): parts that lie together have
    each line once. Raises BatchError where the file cannot be read to its end.
    """
    try:
        whole = file.name.endswith(_WHOLE)
        yield from _entries(file) if whole else _streamed(file, begin, end)
    except (OSError, EOFError, zlib.error, ExportError) as broken:
        raise BatchError(
            file.name, f"cannot be read to its end ({type(broken).__name__}).", "Fetch it again."
        ) from None


def _entries(file: Path) -> Iterator[Line]:
    for number, raw in enumerate(raw_resources(file), start=1):
        yield Line(number, bytes(raw))


def can_be_cut(file: Path) -> bool:
    """Whether reading may begin inside of it."""
    return not file.name.endswith((*_WHOLE, ".gz"))


def _streamed(file: Path, begin: int, end: int | None) -> Iterator[Line]:
    with _opened(file) as stream:
        if begin:
            stream.seek(begin - 1)
            _skip(stream)
        number = 0
        while (end is None or stream.tell() < end) and (raw := stream.readline(LONGEST + 1)):
            number += 1
            if number == 1 and not begin:
                raw = raw.removeprefix(_BYTE_ORDER_MARK)
            too_long = len(raw) > LONGEST and not raw.endswith(b"\n")
            if too_long:
                _skip(stream)
            yield Line(number, None if too_long else raw.rstrip(b"\r\n"))


def _opened(file: Path) -> IO[bytes]:
    if file.suffix == ".gz":
        return gzip.open(file, "rb")  # type: ignore[return-value]
    return file.open("rb", buffering=_READ_BYTES)


def _skip(stream: IO[bytes]) -> None:
    while (rest := stream.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass
