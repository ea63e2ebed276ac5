"""What a test starts in place of `readmit`: small shards and pieces, and whatever else must go wrong."""

import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cds_service.batch.spark.pieces
from cds_service.batch import run, score_command
from cds_service.batch.spark.spark_engine import SparkEngine
from cds_service.cli import app

SHARE = 150
"""So little memory for a shard that a small export has some thirty: a task costs Spark a moment."""
PIECE = 500_000
"""Bytes; a file is cut into several."""


class Faulty(dict[str, tuple[str, ...]]):
    """Fails on a worker as a fault of ours would, with what it was given in its words."""

    def get(self, key: str, default: Any = None) -> Any:
        raise ValueError(f"{os.environ['SPARK_RUN_FAULTY']} of {key}")


def main() -> None:
    run._SHARE = SHARE  # type: ignore[misc]
    cds_service.batch.spark.pieces._PIECE = PIECE  # type: ignore[misc]
    _tell_loads()
    if os.environ.get("SPARK_RUN_FAULTY"):
        _choose_faultily()
    app()


def _tell_loads() -> None:
    shards = SparkEngine.shards

    async def told(engine: SparkEngine, *words: Any) -> AsyncIterator[Any]:
        async for shard in shards(engine, *words):
            yield shard
        Path(os.environ["SPARK_RUN_LOADS"]).write_text(json.dumps(engine.loads))

    SparkEngine.shards = told  # type: ignore[method-assign]


def _choose_faultily() -> None:
    arrive = score_command.arrive

    async def faultily(*words: Any, **named: Any) -> Any:
        return replace(await arrive(*words, **named), stays=Faulty())

    score_command.arrive = faultily


if __name__ == "__main__":
    main()
