"""Spans for OpenTelemetry where a provider is configured; nothing at all where none is.

A span carries a service id, an outcome and counts. An exception's message may quote a record, so
a failure is marked without it. FastAPI's own spans, metrics and logs are off (they carry paths,
addresses and exception texts), and httpx is not instrumented (its URLs carry ids).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

Note = Callable[[str, Any], None]

OURS_ALONE: TelemetryConfig = {"metrics": False, "logs": False, "exclude": lambda _scope: True}
"""FastAPI observes no request, but still sets up a provider from the environment where asked to."""


@contextmanager
def span(name: str, **attributes: str | int) -> Iterator[Note]:
    """A step of a request; what it gives adds an attribute that is known only later."""
    with trace.get_tracer("readmit").start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current.set_attribute
        except Exception:
            current.set_status(trace.StatusCode.ERROR)
            raise
