"""What a run received, kept in its folder, so that a later run can ask for what changed since."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from cds_service.batch.arrived import Arrived
from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError
from cds_service.batch.run_folder import RunFolder

_KEPT: Final = "arrived.json"
_SAME: Final = ("from", "tenant", "service", "stays")


class _Kept(msgspec.Struct, frozen=True):
    """Arrived without what concerns one run alone; files relative to the run's folder."""

    files: tuple[str, ...]
    types: frozenset[str] | None
    partial: frozenset[str]
    roster: frozenset[str] | None
    transaction_time: datetime | None


def keep_arrived(arrived: Arrived, folder: RunFolder) -> None:
    """Write it down; of files outside the folder nothing, for nobody here keeps them. Raises BatchError."""
    if not all(each.is_relative_to(folder.path) for each in arrived.files):
        return
    files = tuple(str(each.relative_to(folder.path)) for each in arrived.files)
    kept = _Kept(files, arrived.types, arrived.partial, arrived.roster, arrived.transaction_time)
    with drafted(folder.path / _KEPT) as draft:
        draft.write_bytes(msgspec.json.encode(kept))


def earlier_run(path: Path, options: Mapping[str, str | int | None]) -> Arrived:
    """What a finished run of the same source and tenant received, that assessed the like: of what
    did not change nothing is said again. Raises BatchError."""
    folder = RunFolder(path)
    if not folder.is_finished:
        raise _refused(folder, "has not come to its end.", "Finish it, or name another.")
    before = folder.options()
    other = next((name for name in _SAME if before.get(name) != options.get(name)), None)
    if other is not None:
        raise _refused(folder, f"was of another --{other}.", "Name one of the same.")
    try:
        kept = msgspec.json.decode((path / _KEPT).read_bytes(), type=_Kept)
    except (OSError, msgspec.MsgspecError):
        raise _refused(folder, "has received nothing from a server.", _WHOLE) from None
    files = tuple(path / each for each in kept.files)
    if not all(each.is_file() for each in files):
        raise _refused(folder, "no longer holds what it received.", _WHOLE)
    if kept.transaction_time is None:
        raise _refused(folder, "does not know the server's time.", _WHOLE)
    return Arrived(
        files,
        kept.types,
        kept.partial,
        roster=kept.roster,
        transaction_time=kept.transaction_time,
    )


def _refused(folder: RunFolder, what: str, remedy: str) -> BatchError:
    return BatchError(f"--after {folder.run_id}", what, remedy)


_WHOLE: Final = "Run without --after: everything is asked for anew."
