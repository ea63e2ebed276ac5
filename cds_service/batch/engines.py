"""From what a user names as the engine to the engine."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from cds_service.batch.engine import Engine
from cds_service.batch.errors import BatchError
from cds_service.batch.one_machine import OneMachine
from cds_service.batch.spark.session import check_spark
from cds_service.batch.spark.spark_engine import spark_engine

Name = Literal["local", "spark"]


def engine_of(name: Name, master: str | None) -> AbstractContextManager[Engine]:
    """The engine, which starts when it is entered. Raises BatchError where it never could."""
    if name == "spark":
        check_spark(master)
        return spark_engine(master)
    if master is not None:
        raise BatchError("--master", "is Spark's.", "Add --engine spark.")
    return nullcontext(OneMachine())
