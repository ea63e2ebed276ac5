"""`make bench`: the hook beside an empty endpoint, same body, one run.

Calls alternate between the two, so that whatever else the machine does falls on both. Prints a
table and writes bench/results/hook.json.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import track

from bench.reporting import Row, report, row
from bench.servers import serving

EXAMPLE = Path("examples/requests/margaret-heart-failure.json")
HOOK = "/cds-services/readmission-risk"
WARM_UP, CALLS = 50, 600
ADDED_MS = 5.0
TAIL_RATIO = 2.0


def main() -> None:
    """Measure, print, write."""
    body = EXAMPLE.read_bytes()
    title = "One process each, concurrency 1, audit row written"
    report("hook", compare(body), _conditions(body), title)


def compare(body: bytes) -> list[Row]:
    """p50 and p99 of the hook and of the empty endpoint, in milliseconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(
            ["uvicorn", "bench.empty:app", "--port", "{port}", "--log-level", "error"], "/docs"
        ) as empty,
        serving(_service(Path(folder)), "/cds-services") as service,
        httpx.Client() as client,
    ):
        ours, against = _interleaved(
            lambda: _milliseconds(client, service + HOOK, body),
            lambda: _milliseconds(client, empty + "/empty", body),
        )
    return [
        _row("hook p50 beside an empty endpoint", ours, against, 50, f"<= against + {ADDED_MS:g}"),
        _row(
            "hook p99 beside an empty endpoint", ours, against, 99, f"<= against x {TAIL_RATIO:g}"
        ),
    ]


def _service(folder: Path) -> list[str]:
    database = f"sqlite+aiosqlite:///{folder}/bench.sqlite"
    return ["cds_service", "serve", "--dev", "--port", "{port}", "--database", database]


def _interleaved(
    first: Callable[[], float], second: Callable[[], float]
) -> tuple[list[float], list[float]]:
    pairs = [
        (first(), second())
        for _ in track(range(WARM_UP + CALLS), "Calls", console=Console(stderr=True))
    ]
    ours, against = zip(*pairs[WARM_UP:], strict=True)
    return list(ours), list(against)


def _milliseconds(client: httpx.Client, url: str, body: bytes) -> float:
    start = time.perf_counter()
    client.post(url, content=body, headers={"content-type": "application/json"}).raise_for_status()
    return (time.perf_counter() - start) * 1000


def _row(name: str, ours: list[float], against: list[float], percentile: int, target: str) -> Row:
    mine, floor = (_percentile(each, percentile) for each in (ours, against))
    limit = floor + ADDED_MS if percentile == 50 else floor * TAIL_RATIO
    return row(name, mine, floor, most=limit, target=target, unit="ms")


def _percentile(values: list[float], percentile: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percentile - 1]


def _conditions(body: bytes) -> dict[str, object]:
    prefetch = json.loads(body)["prefetch"].values()
    resources = sum(len(each.get("entry", ())) if "entry" in each else 1 for each in prefetch)
    return {
        "request": EXAMPLE.name,
        "bytes": len(body),
        "resources": resources,
        "calls": CALLS,
    }


if __name__ == "__main__":
    main()
