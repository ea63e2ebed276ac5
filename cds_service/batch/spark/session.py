"""Spark itself: started, stopped, and what it says when it fails, as a sentence."""

import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from cds_service.batch.errors import BatchError

_APP: Final = "readmit score"
_REMOTE: Final = "sc://"
_SAID: Final = re.compile(r"WorkerError: ([^\n]+)")
_GOES_ON: Final = "Run the same command again: it goes on where it stopped."
_SETTINGS: Final = {
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * 2**20),
}
"""Bytes of a batch: records are not rows of numbers, 10,000 of them need not fit a worker."""


def check_spark(master: str | None) -> None:
    """Raises BatchError where pyspark is not installed, or no Java for it."""
    if find_spec("pyspark") is None:
        raise BatchError(
            "--engine spark", "pyspark is not installed.", "pip install 'readmit-cds[spark]'."
        )
    if not _java() and not (master or "").startswith(_REMOTE):
        raise BatchError(
            "--engine spark",
            "there is no Java.",
            "Install Java 17 or later (openjdk-17-jre-headless) or set JAVA_HOME.",
        )


def _java() -> bool:
    home = os.environ.get("JAVA_HOME")
    return (Path(home) / "bin" / "java").is_file() if home else shutil.which("java") is not None


@contextmanager
def spark_session(master: str | None) -> Iterator[Any]:
    """A session of `master`, else of Spark's own configuration; one that is there already is taken and
    left. Raises BatchError."""
    from pyspark.sql import SparkSession

    there = SparkSession.getActiveSession()
    session = there or _started(SparkSession.builder.appName(_APP), master)
    try:
        yield session
    finally:
        if there is None:
            session.stop()


def _started(builder: Any, master: str | None) -> Any:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    for name, value in _SETTINGS.items():
        builder = builder.config(name, value)
    try:
        return (builder.master(master) if master else builder).getOrCreate()
    except Exception as failed:
        raise BatchError(
            f"--master {master}" if master else "Spark",
            f"Spark did not start ({type(failed).__name__}).",
            "Check the address, that its master is up, and that Java is 17 or later.",
        ) from None


def refusal(failed: Exception) -> BatchError:
    """What a job died of. Spark's own text is searched, never passed on: it may quote anything."""
    text = str(failed)
    if said := _SAID.search(text):
        return BatchError("Spark", f"a worker gave up: {said[1]}", _GOES_ON)
    if "No module named" in text:
        return BatchError(
            "Spark",
            "the Python of its workers lacks readmit-cds or what it needs.",
            "Install the same wheel with [spark] in the Python that PYSPARK_PYTHON names there.",
        )
    if "ExecutorLostFailure" in text or "Python worker exited" in text:
        return BatchError(
            "Spark", "lost the same worker's task too often.", f"Give it memory. {_GOES_ON}"
        )
    return BatchError("Spark", f"the job failed ({type(failed).__name__}).", _GOES_ON)
