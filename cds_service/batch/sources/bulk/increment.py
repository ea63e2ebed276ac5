"""The door to an export of what changed since an earlier run.

A server may leave out the past of who joined a Group since (Bulk Data, "Group Membership Request
Pattern"): of these everything is asked for, and of everybody where the server cannot be asked for some.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from cds_service.batch.arrived import Arrived
from cds_service.batch.errors import BatchError
from cds_service.batch.progress import Listener
from cds_service.batch.sources.bulk.job import ExportRefusedError
from cds_service.batch.sources.merging import merged

Exporting = Callable[..., Awaitable[Arrived]]
"""arrive_by_export, all but `folder`, `since` and `patients` given."""


async def arrive_since(
    before: Arrived,
    exporting: Exporting,
    *,
    roster: frozenset[str] | None,
    folder: Path,
    progress: Listener,
) -> Arrived:
    """What `before` received with what changed since, each resource once. `roster`: who is in the
    Group now, as roster.py says it. Resumable; raises BatchError."""
    if roster is None or before.roster is None:
        raise BatchError(
            "--after",
            "the members of the Group could not be read, now or then: who joined it is not known.",
            "Register the app for system/Group.rs, or run without --after.",
        )
    new = await exporting(folder=folder / "changes", since=before.transaction_time)
    if joined := roster - before.roster:
        new = _together(new, await _whole(exporting, joined, folder))
    moved = before.roster ^ roster  # who left may come back, and no deletion be told meanwhile
    found = merged(before, new, folder / "unchanged", progress, without=moved)
    return replace(found, roster=roster, patients=_members(found.patients, roster))


def _members(changed: frozenset[str] | None, roster: frozenset[str]) -> frozenset[str] | None:
    """Without those who joined after the roster was read: of them the changes alone are here."""
    return changed & roster if changed and roster else changed


async def _whole(exporting: Exporting, patients: frozenset[str], folder: Path) -> Arrived:
    try:
        return await exporting(folder=folder / "joined", patients=patients)
    except ExportRefusedError:
        return await exporting(folder=folder / "whole")


def _together(new: Arrived, late: Arrived) -> Arrived:
    """The server's time is that of the changes: what came after it is asked for again next time."""
    unnamed = new.types is None or late.types is None
    return replace(
        new,
        files=(*new.files, *late.files),
        types=None if unnamed else (new.types or frozenset()) | (late.types or frozenset()),
        partial=new.partial | late.partial,
        deleted=(*new.deleted, *late.deleted),
    )
