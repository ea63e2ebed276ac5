"""What a source brought: files on disk, and what can be said of how whole they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Arrived:
    """Files of NDJSON (.gz too) or Bundles.

    `types`: resource types that the source says it holds whole; None: those that occur. `partial`:
    types of which some may lack; `doubted`: those of one patient alone, by patient. `stays`: for each
    patient the encounters to score; None, for all or for one: those that the run's rule chooses.
    `patients`: the only ones of whom stays are assessed; None: all. `absent`: how many patients or
    stays that were asked for are not at the source.
    `deleted`: (type, id) of what the source says is gone; `gone`: by patient the references of that
    which an earlier run had. `roster`: the members of the Group that was exported,
    nobody where there was none, None where they could not be read.
    `transaction_time`: the server's clock, from which the next increment counts.
    """

    files: tuple[Path, ...]
    types: frozenset[str] | None = None
    partial: frozenset[str] = frozenset()
    doubted: Mapping[str, frozenset[str]] = field(default_factory=dict)
    stays: Mapping[str, tuple[str, ...] | None] | None = None
    patients: frozenset[str] | None = None
    absent: int = 0
    deleted: tuple[tuple[str, str], ...] = ()
    gone: Mapping[str, frozenset[str]] = field(default_factory=dict)
    roster: frozenset[str] | None = None
    transaction_time: datetime | None = None
