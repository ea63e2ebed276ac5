"""What a search has come to, on disk: whose records are wanted, then files of some patients each.

`search.json` says whom the server was found to have, once; killed before it lies there, the next call
looks for them again. A file of records is done if it lies in the folder under its name; beside it,
and before it, what was noticed on the way.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import IO, Any, Final, Literal, TypeVar

import msgspec

from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.searching.asking import Asked

NAME: Final = "search.json"
Lack = Literal["refused", "partial"]
T = TypeVar("T")


class Found(msgspec.Struct, frozen=True):
    """Whose records are wanted. `stays`: those to score by patient, None: those that the run's rule
    chooses. `absent`: how many of what was asked for the server does not have. `types`: what it
    lets be read, of which a part alone the `narrowed`. `asked_at`: its clock then, as HTTP has it."""

    asked: Asked
    patients: tuple[str, ...]
    stays: dict[str, tuple[str, ...] | None] | None
    types: tuple[str, ...]
    absent: int = 0
    narrowed: tuple[str, ...] = ()
    asked_at: str | None = None


class Noted(msgspec.Struct):
    """What one file of records does not hold. `lacks`: by patient and type, why some may be missing.
    `refers`: to what that is no patient's. `refused`, `given`: how many of that by type."""

    absent: int = 0
    lacks: dict[str, dict[str, Lack]] = msgspec.field(default_factory=dict)
    refers: set[str] = msgspec.field(default_factory=set)
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    given: dict[str, int] = msgspec.field(default_factory=dict)


class Store:
    """The folder of one search."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, asked: Asked) -> Found | None:
        """What was found before; None in a new folder. Raises BatchError where another was asked."""
        path = self.folder / NAME
        if not path.is_file():
            return None
        found = _read(path, Found)
        if found.asked != asked:
            raise BatchError(
                str(self.folder), "holds another search than the one asked for.", _ANOTHER
            )
        return found

    def save(self, found: Found) -> Found:
        """Write it down, whole. Raises BatchError."""
        _write(self.folder / NAME, found)
        return found

    def files(self, stem: str, count: int) -> tuple[Path, ...]:
        """The names of so many files."""
        return tuple(self.folder / f"{stem}-{number:05d}.ndjson" for number in range(count))

    def noted(self, file: Path) -> Noted:
        """What was noticed of a file that is done. Raises BatchError."""
        return _read(file.with_suffix(".json"), Noted)

    async def fill(
        self,
        file: Path,
        things: Sequence[T],
        write: Callable[[T, IO[bytes], Noted], Awaitable[None]],
    ) -> None:
        """One whole file, thing by thing. Raises BatchError, and what `write` raises."""
        noted = Noted()
        with drafted(file) as draft:
            with draft.open("wb") as lines:
                for each in things:
                    await write(each, lines, noted)
                lines.flush()
                os.fsync(lines.fileno())
            _write(file.with_suffix(".json"), noted)


def _write(path: Path, what: Any) -> None:
    with drafted(path) as draft, draft.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(what, order="sorted")))
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError):
        raise BatchError(str(path), "is not what was written there.", _ANOTHER) from None


_ANOTHER: Final = "Give --run another folder, or remove this one."
