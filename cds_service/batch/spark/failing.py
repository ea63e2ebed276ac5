"""What leaves a worker that fails: one sentence without a value of a record."""

import traceback
from collections.abc import Iterator
from pathlib import PurePath
from typing import TypeVar

from cds_service.errors import ServiceError
from model.errors import BundleError

_T = TypeVar("_T")


class WorkerError(Exception):
    """Spark writes the message and the trace of an exception to its logs, so this is all it gets."""


def in_sentences(rows: Iterator[_T]) -> Iterator[_T]:
    """The same rows. Raises WorkerError for whatever is raised in between."""
    try:
        yield from rows
    except (ServiceError, BundleError) as said:
        raise WorkerError(str(said)) from None
    except Exception as unforeseen:
        where = traceback.extract_tb(unforeseen.__traceback__)[-1]
        place = f"{PurePath(where.filename).name}, line {where.lineno}"
        raise WorkerError(f"{type(unforeseen).__name__} in {place}.") from None
