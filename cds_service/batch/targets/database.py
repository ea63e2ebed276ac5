"""Into the store of the service: the same rows, sealed contents and chain as a hook's."""

from collections.abc import Sequence

from cds_service.batch.results import Result
from cds_service.storage.store import Store


class DatabaseTarget:
    """What is stored already is not stored again: the id of a result says what it is."""

    name = "database"

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """In one transaction. Raises StoreUnavailableError; then nothing of the shard is stored."""
        await self._store.add_assessments([(each.row, each.contents) for each in results])

    async def finish(self, shards: int) -> None:
        """Every shard is durable already."""
