"""What a source brought: files on disk, and what can be said of how whole they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Arrived:
    """Files of NDJSON (.gz too) or Bundles.

    `types`: resource types that the source says it holds whole; None: those that occur. `partial`:
    types of which some may lack. `stays`: for each patient the encounters to score; None: those that
    the run's rule chooses. `deleted`: (type, id) of what the source says is gone.
    `transaction_time`: the server's clock, from which the next increment counts.
    """

    files: tuple[Path, ...]
    types: frozenset[str] | None = None
    partial: frozenset[str] = frozenset()
    stays: Mapping[str, tuple[str, ...]] | None = None
    deleted: tuple[tuple[str, str], ...] = ()
    transaction_time: datetime | None = None
