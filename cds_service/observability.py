"""Logs: one JSON line per call with ids of request, service and bundle. Nothing of a patient's.

A line carries what is bound here, never a message of foreign origin: an exception of another
library may quote the value it stumbled over, so only its type and our own line are written.
"""

import logging
import re
import sys
import traceback
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import structlog

_QUIET = (
    "aiosqlite",
    "asyncpg",
    "sqlalchemy",
    "alembic",
    "uvicorn",
    "asyncio",
    "httpx",
    "httpcore",
)
_OWN = re.compile(r"\b(cds_service|fhir_mapping|model)\b")


def configure_logging(level: str) -> None:
    """JSON lines to standard error; other libraries speak only from WARNING on."""
    for name in _QUIET:  # aiosqlite logs every statement with its values at DEBUG
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("httpx_retries").setLevel(logging.ERROR)  # it warns with a header's words
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_to_standard_error,
        cache_logger_on_first_use=False,
    )


def note(**facts: str | int | None) -> None:
    """Add facts to this request's log line: kinds, counts and our own ids only."""
    structlog.contextvars.bind_contextvars(**{k: v for k, v in facts.items() if v is not None})


def request_scope(request_id: str) -> AbstractContextManager[None]:
    """Everything noted within belongs to one request."""
    structlog.contextvars.clear_contextvars()
    return structlog.contextvars.bound_contextvars(request_id=request_id)


def log_answer(status: int, duration_ms: float) -> None:
    """The one line of a finished request."""
    structlog.get_logger().info("answered", status=status, duration_ms=round(duration_ms, 2))


def log_failure(error: BaseException) -> None:
    """An unforeseen error: its type and where in our code, not what it says."""
    structlog.get_logger().error("failed", error=type(error).__name__, where=_where(error))


def log_heads_lost(error: BaseException) -> None:
    """Heads of the audit chains could not be written elsewhere; the service goes on."""
    structlog.get_logger().warning("heads_not_written", error=type(error).__name__)


def log_start(**facts: Any) -> None:
    """The service is ready."""
    structlog.get_logger().info("started", **facts)


class _Lines:
    """Standard error. A line for which its disk has no room is lost; the request goes on."""

    def msg(self, line: str) -> None:
        with suppress(OSError):
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is where lines go

    debug = info = warning = error = msg


def _to_standard_error(*_: object) -> _Lines:
    return _Lines()


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _OWN.search(frame.filename)] or frames
    return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else "unknown"
