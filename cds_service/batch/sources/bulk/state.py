"""What an export has come to, on disk: `export.json` in its folder, whole or not there.

Killed at any point, the next call goes on from what it says. A file of the manifest is done if it lies
in the folder under its name: it gets the name last.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.sources.bulk.asking import Asked
from cds_service.batch.sources.bulk.manifest import RemoteFile

NAME: Final = "export.json"
_SUFFIXES: Final = (".ndjson", ".ndjson.gz")


class State(msgspec.Struct, frozen=True):
    """`started` counts the jobs. `status`: the job's address. `files`: of all pages of the manifest.
    `short`: numbers of files that have fewer lines than the manifest says. `finished`: every file is
    here. `ended`: the server has been told that it may forget the job."""

    asked: Asked
    started: int = 0
    status: str | None = None
    narrowed: tuple[str, ...] = ()
    files: tuple[RemoteFile, ...] | None = None
    transaction_time: str | None = None
    short: tuple[int, ...] = ()
    finished: bool = False
    ended: bool = False

    def stems(self) -> Iterator[tuple[RemoteFile, str]]:
        """Each file and the name it gets, without its ending."""
        for number, each in enumerate(self.files or ()):
            yield each, f"{each.kind}-{self.started:02d}-{number:05d}-{each.type or 'any'}"


class Store:
    """The folder of one export."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, asked: Asked) -> State:
        """Where the export stands; a new one in an empty folder. Raises BatchError."""
        path = self.folder / NAME
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            state = msgspec.json.decode(path.read_bytes(), type=State)
        except FileNotFoundError:
            return State(asked)
        except OSError as wrong:
            raise disk_error(self.folder, wrong) from None
        except msgspec.MsgspecError:
            raise BatchError(str(path), "is not what was written there.", _ANOTHER) from None
        if state.asked != asked:
            raise BatchError(
                str(self.folder), "holds another export than the one asked for.", _ANOTHER
            )
        return state

    def save(self, state: State) -> State:
        """Write it down, whole. Raises BatchError."""
        with drafted(self.folder / NAME) as draft, draft.open("wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(state)))
            file.flush()
            os.fsync(file.fileno())
        return state

    def forget(self, state: State) -> State:
        """Drop the job and its files: the next one starts anew."""
        for pattern in ("output-*", "deleted-*", "outcome-*", ".*.part"):
            for each in self.folder.glob(pattern):
                each.unlink(missing_ok=True)
        return self.save(State(state.asked, state.started))

    def found(self, stem: str) -> Path | None:
        """The file of that name, if it is here."""
        paths = (self.folder / f"{stem}{suffix}" for suffix in _SUFFIXES)
        return next((each for each in paths if each.exists()), None)


def disk_error(folder: Path, wrong: OSError) -> BatchError:
    """What the operating system says of the disk, without its traceback."""
    why = wrong.strerror or "cannot be written"
    return BatchError(
        str(folder), f"{why.lower()}.", "Make room or another folder, and start again: it goes on."
    )


_ANOTHER: Final = "Give another folder, or remove this one."
