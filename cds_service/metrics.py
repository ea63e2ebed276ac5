"""What Prometheus may know: counts and durations by kind. No path, id or value ever is a label.

With several workers each process counts in files of PROMETHEUS_MULTIPROC_DIR (set by serving.py
before this is imported) and any of them can sum up all; counts of a worker that died stay.
"""

import os
from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from cds_service.services import Offered

disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the page
CONTENT_TYPE = CONTENT_TYPE_LATEST
REGISTRY = CollectorRegistry()
UNROUTED = "none"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

_REQUESTS = Counter(
    "readmit_requests",
    "Requests answered, by route template (`none`: nothing there) and status.",
    ("route", "status"),
    registry=REGISTRY,
)
_DURATION = Histogram(
    "readmit_request_seconds",
    "From the request's first line to its answer, by route template.",
    ("route",),
    buckets=_SECONDS,
    registry=REGISTRY,
)
_ASSESSMENTS = Counter(
    "readmit_assessments",
    "Assessments stored, by tenant, service, outcome and the reason for no score.",
    ("tenant", "service", "outcome", "reason"),
    registry=REGISTRY,
)
_REFUSALS = Counter(
    "readmit_refusals",
    "Requests refused, by status and the code in the OperationOutcome or on the page.",
    ("status", "code"),
    registry=REGISTRY,
)
_FETCHES = Counter(
    "readmit_fhir_fetches",
    "Requests to FHIR servers for what prefetch lacked, by how they ended.",
    ("outcome",),
    registry=REGISTRY,
)
_STORE_FAILURES = Counter(
    "readmit_store_failures", "Rows that the database did not take.", registry=REGISTRY
)
_BUNDLES = Gauge(
    "readmit_bundle",
    "Always 1: the bundle that each service answers with.",
    ("service", "bundle", "version", "digest"),
    multiprocess_mode="max",
    registry=REGISTRY,
)


def answered(route: str, status: int, seconds: float) -> None:
    """A finished request, by the template of its route."""
    _REQUESTS.labels(route, str(status)).inc()
    _DURATION.labels(route).observe(seconds)


def assessed(tenant: str, service: str, *, outcome: str, reason: str | None) -> None:
    """A stored assessment; `reason` is a code."""
    _ASSESSMENTS.labels(tenant, service, outcome, reason or "").inc()


def refused(status: int, code: str) -> None:
    """A request that was answered with an OperationOutcome, or with a page that says why not."""
    _REFUSALS.labels(str(status), code).inc()


def fhir_fetched(outcome: str) -> None:
    """One request to a FHIR server; `outcome` is one of our own few words."""
    _FETCHES.labels(outcome).inc()


def store_failed() -> None:
    """The database did not take a row."""
    _STORE_FAILURES.inc()


def serving(services: Iterable[Offered]) -> None:
    """The bundles of this process."""
    for each in services:
        bundle = each.assessor.bundle
        name, version = bundle.manifest.name, bundle.manifest.version
        _BUNDLES.labels(each.id, name, version, bundle.digest).set(1)


def exposition() -> bytes:
    """All counts, of all workers where there are several."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return generate_latest(together)
