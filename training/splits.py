"""Who is trained on and who is not: by patient, by hash, and beside it by time.

One split for all stages and tasks. A patient is in one part only, with all of his stays.
"""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from training.errors import SettingError

Split = Literal["train", "tuning", "held_out"]
Slice = Literal["selection", "calibration"]
SALT = "readmit-1"


@dataclass(frozen=True)
class Shares:
    """Shares of the patients, summing to one. Raises SettingError."""

    train: float = 0.7
    tuning: float = 0.15
    held_out: float = 0.15

    def __post_init__(self) -> None:
        parts = (self.train, self.tuning, self.held_out)
        if min(parts) < 0 or not math.isclose(sum(parts), 1, abs_tol=1e-9):
            raise SettingError("shares", "they are no shares of one", "Make the three sum to 1")


DEFAULT_SHARES = Shares()


def split_of(subject_id: str, shares: Shares = DEFAULT_SHARES, salt: str = SALT) -> Split:
    """The split of a patient: SHA-256 of salt and id, so that it never depends on the others."""
    position = _position(subject_id, salt)
    if position < shares.train:
        return "train"
    return "tuning" if position < shares.train + shares.tuning else "held_out"


def tuning_slice(subject_id: str, salt: str = SALT) -> Slice:
    """Which half of `tuning` a patient is in: early stopping and thresholds, or the calibrator.

    By a second hash, so that the calibrator is fitted on patients that chose nothing.
    """
    return "selection" if _position(subject_id, f"{salt}/slice") < 1 / 2 else "calibration"


def temporal_splits(
    last_seen: Mapping[str, str], shares: Shares = DEFAULT_SHARES
) -> Mapping[str, Split]:
    """Patient -> split by time: the latest patients are held out, those before them tune.

    `last_seen`: the era of a patient's last stay, or the time of its discharge, as text that sorts
    by time. A patient goes by his last stay, with all of his stays. Patients of one era stay
    together: from the latest back, whole eras go to `held_out` until its share is met, then to
    `tuning`, the rest to `train`, which always has the first. Two eras leave no `tuning`, one is
    all `train`: there is no before and after.
    """
    sizes = Counter(last_seen.values())
    newest_first = sorted(sizes, reverse=True)
    of_era: dict[str, Split] = dict.fromkeys(newest_first, "train")
    wanted: list[tuple[Split, float]] = [("held_out", shares.held_out), ("tuning", shares.tuning)]
    for part, share in wanted:
        taken = 0
        while len(newest_first) > 1 and taken < share * len(last_seen) - 1e-9:
            era = newest_first.pop(0)
            of_era[era] = part
            taken += sizes[era]
    return {subject: of_era[era] for subject, era in last_seen.items()}


def _position(subject_id: str, salt: str) -> float:
    """In [0, 1), the same on every machine."""
    digest = hashlib.sha256(f"{salt}\n{subject_id}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
