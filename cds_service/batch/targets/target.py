"""What a target is."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Protocol

from cds_service.batch.results import Result


class Takes(IntEnum):
    """What a target asks of a result: nothing (the run's own rows do), its contents, or these with
    contributions. What no target asks for is not sent between machines."""

    ROWS = 0
    CONTENTS = 1
    CONTRIBUTIONS = 2


class Target(Protocol):
    """Takes results shard by shard, in any order. A run that was killed gives a shard again: the same
    comes out."""

    name: str
    takes: Takes

    async def write(self, shard: int, results: Sequence[Result]) -> None:
        """Take the results of one shard. Raises BatchError or StoreUnavailableError."""

    async def finish(self, shards: int) -> None:
        """After the last shard; again where a run was killed in between. Raises BatchError."""
