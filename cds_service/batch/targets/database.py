"""Into the store of the service: the same rows, sealed contents and chain as a hook's."""

from collections.abc import Sequence

from cds_service.batch import tables
from cds_service.batch.errors import BatchError
from cds_service.batch.results import Result
from cds_service.batch.run_folder import RunFolder
from cds_service.batch.targets.target import Takes
from cds_service.storage.store import Store
from model.scoring import Scorer


class DatabaseTarget:
    """What is stored already is not stored again: the id of a result says what it is."""

    name = "database"
    takes = Takes.CONTRIBUTIONS

    def __init__(self, store: Store, scorer: Scorer, folder: RunFolder) -> None:
        """`scorer`: the page shows contributions, so what is stored has them."""
        self._store, self._scorer, self._folder = store, scorer, folder

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """In one transaction. Raises StoreUnavailableError; then nothing of the shard is stored."""
        found = {each.row["uuid"]: each for each in results}
        new = [found[uuid] for uuid in await self._store.lacking(found)]
        contents = {each.row["uuid"]: each.explained(self._scorer) for each in new}
        await self._store.add_assessments([each.row for each in new], contents)

    async def finish(self, shards: int) -> None:
        """Every shard is durable already, if it is the same store still: a file that was moved away
        takes rows from whoever has it open. Raises BatchError or StoreUnavailableError."""
        await self._store.close()  # what follows opens it anew
        for shard in range(shards):
            if await self._store.lacking(tables.uuids_of(self._folder.rows(shard))):
                raise BatchError(
                    self.name,
                    "lacks results of this run.",
                    "Put the one back that the run began with, or give --run a new folder.",
                )
