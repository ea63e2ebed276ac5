"""What a target is."""

from collections.abc import Sequence
from typing import Protocol

from cds_service.batch.results import Result


class Target(Protocol):
    """Takes results shard by shard. A run that was killed gives a shard again: the same comes out."""

    name: str

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """Take the results of one shard. Raises BatchError or StoreUnavailableError."""

    async def finish(self, shards: int) -> None:
        """After the last shard; again where a run was killed in between. Raises BatchError."""
