"""The folder of one batch run: what was asked, what is done. A run that was killed goes on from it."""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from cds_service.batch.drafts import drafted
from cds_service.batch.errors import BatchError

_ASKED = "run.json"
_SUMMARY = "summary.json"


class Asked(msgspec.Struct, frozen=True):
    """What a run was asked for, `options` by name, and its clock."""

    as_of: datetime
    options: dict[str, str | int | None]


class RunFolder:
    """Paths and marks. The name of the folder is the run's id."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        """The same for whoever takes the run up again."""
        return self.path.name

    @property
    def received(self) -> Path:
        """Where a source puts its files."""
        return self.path / "received"

    @property
    def sorted(self) -> Path:
        """Where lines are sorted by patient."""
        return self.path / "sorted"

    def rows(self, shard: int) -> Path:
        """The results of a shard; there when every target has them."""
        return self.path / "rows" / f"{shard:04d}.parquet"

    def is_done(self, shard: int) -> bool:
        """Whether every target has that shard."""
        return self.rows(shard).is_file()

    def begin(self, options: dict[str, str | int | None], now: datetime) -> datetime:
        """The run's clock: `now` for a new run. Raises BatchError where the folder is of another run."""
        file = self.path / _ASKED
        if not file.is_file():
            with drafted(file) as draft:
                draft.write_bytes(msgspec.json.encode(Asked(now, options)))
            return now
        asked = self._asked(file)
        other = sorted(
            name
            for name in {*asked.options, *options}
            if asked.options.get(name) != options.get(name)
        )
        if other:
            raise BatchError(
                self.run_id,
                f"that run was asked for something else ({', '.join(other)}).",
                "Give --run a new folder, or the same options as before.",
            )
        return asked.as_of

    @property
    def is_finished(self) -> bool:
        """Whether it came to its end."""
        return (self.path / _SUMMARY).is_file()

    def options(self) -> dict[str, str | int | None]:
        """What it was asked for. Raises BatchError."""
        return self._asked(self.path / _ASKED).options

    def _asked(self, file: Path) -> Asked:
        try:
            return msgspec.json.decode(file.read_bytes(), type=Asked)
        except (OSError, msgspec.MsgspecError):
            raise BatchError(
                self.run_id, f"{_ASKED} cannot be read.", "Give --run a new folder."
            ) from None

    def keep_summary(self, summary: dict[str, Any]) -> Path:
        """Write what came out."""
        with drafted(self.path / _SUMMARY) as draft:
            draft.write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2))
        return self.path / _SUMMARY
