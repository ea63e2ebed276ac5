"""One CSV or Parquet file: the shards of the run's own results, put together at the end."""

from collections.abc import Sequence
from pathlib import Path

from cds_service.batch import tables
from cds_service.batch.results import Result
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.targets.target import Takes


class TableTarget:
    """By the suffix of `file`: `.parquet` with the features, `.csv` without."""

    takes = Takes.ROWS

    def __init__(self, file: Path, folder: RunFolder) -> None:
        self.name = file.name
        self._file, self._folder = file, folder

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """The run keeps its results by itself."""

    async def finish(self, shards: int) -> None:
        """Replace the file. Raises BatchError."""
        write = tables.write_csv if self._file.suffix == ".csv" else tables.write_parquet
        write([self._folder.rows(shard) for shard in range(shards)], self._file)
