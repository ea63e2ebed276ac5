"""`python -m bench.hook`: the hook beside an empty endpoint and beside HealthChain's service, same body, one run.

Authentication, encryption and audit are on. Calls alternate, so that whatever else the machine does falls
on all; each is of a new stay with a value of its own, so that nothing is remembered.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
from rich.console import Console
from rich.progress import track

from bench.reporting import Row, report, row, times_faster
from bench.requests import EXAMPLE, RESOURCES, Requests
from bench.servers import serving
from tests.security.clients import (
    PUBLIC,
    STORAGE_KEY,
    Ehr,
    public,
    signing_key,
    system_now,
    tenants_file,
)

FLUSH = "a flush"
"""A call waits for two: the token that it spent and its audited row are on the disk before it is answered."""
HOOK = "/cds-services/readmission-risk"
PEERS = Path(".venv-peers/bin/python")
WARM_UP, CALLS = 30, 600
EVERY = {"with contributions": 4, "HealthChain": 20}
"""The slow ones are called each so many rounds."""
ADDED_MS, NEXT_ADDED_MS, CONTRIBUTIONS_MS = 5.0, 2.0, 30.0
TAIL_RATIO, TIMES_HEALTHCHAIN = 2.0, 20.0

Times = Mapping[str, list[float]]


@dataclass(frozen=True)
class Called:
    """A server's endpoint, and who signs the calls to it."""

    url: str
    ehr: Ehr | None = None


def main() -> None:
    """Measure, print, write."""
    requests = Requests()
    times = measured(requests)
    conditions = {
        "request": f"{EXAMPLE.name}, observations repeated, a new stay at each call",
        "bytes": len(requests.body(0)),
        "resources": RESOURCES,
        "calls": {name: len(each) for name, each in times.items() if name != FLUSH},
        "p50_of_a_flush_to_the_disk_ms": round(statistics.median(times[FLUSH]), 2),
        "p99_of_a_flush_to_the_disk_ms": round(_p99(times[FLUSH]), 2),
    }
    report("hook", compared(times), conditions, "One process each, concurrency 1, signed, audited")


def compared(times: Times) -> list[Row]:
    """p50 and p99 beside the empty endpoint's, in milliseconds; p50 beside HealthChain's."""
    ours, floor = times["without contributions"], times["empty"]
    p50, least = statistics.median(ours), statistics.median(floor)
    explained, peer = (statistics.median(times[name]) for name in EVERY)
    tail, least_tail = _p99(ours), _p99(floor)
    return [
        _added("hook p50", p50, least, ADDED_MS),
        _added("hook p50, the next goal", p50, least, NEXT_ADDED_MS),
        row(
            "hook p50 with contributions",
            explained,
            least,
            most=CONTRIBUTIONS_MS,
            target=f"<= {CONTRIBUTIONS_MS:g} ms",
            unit="ms",
        ),
        times_faster("hook p50 beside HealthChain", p50, peer, least=TIMES_HEALTHCHAIN, unit="ms"),
        row(
            "hook p99",
            tail,
            least_tail,
            most=least_tail * TAIL_RATIO,
            target=f"<= against x {TAIL_RATIO:g}",
            unit="ms",
        ),
    ]


def measured(requests: Requests) -> Times:
    """Milliseconds of each call, and of a flush to the disk that the stores lie on; warm-up left out."""
    times: dict[str, list[float]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        _servers(Path(folder)) as servers,
        httpx.Client(timeout=60.0) as client,
        Path(folder, "flushed").open("wb") as flushed,
    ):
        for number in track(range(WARM_UP + CALLS), "Calls", console=Console(stderr=True)):
            for name, called in servers.items():
                if number % EVERY.get(name, 1) == 0:
                    took = _milliseconds(client, called, requests.body(number))
                    times.setdefault(name, []).append(took)
            times.setdefault(FLUSH, []).append(_flush(flushed))
    return {name: each[WARM_UP // EVERY.get(name, 1) :] for name, each in times.items()}


@contextmanager
def _servers(folder: Path) -> Iterator[dict[str, Called]]:
    empty = ["uvicorn", "bench.empty:app", "--port", "{port}", "--log-level", "error"]
    peer = ["uvicorn", "bench.healthchain_service:app", "--port", "{port}", "--log-level", "error"]
    with ExitStack() as running:
        start = running.enter_context
        yield {
            "empty": Called(start(serving(empty, "/docs")) + "/empty"),
            "without contributions": start(_service(folder / "plain", "bundles/lace-hospital")),
            "with contributions": start(_service(folder / "explained", "bundles/demo")),
            "HealthChain": Called(start(serving(peer, "/docs", python=PEERS)) + "/cds" + HOOK),
        }


@contextmanager
def _service(folder: Path, bundle: str) -> Iterator[Called]:
    """A service that trusts one client, with a store of its own."""
    folder.mkdir()
    key = signing_key()
    (folder / "keys.json").write_bytes(public(key))
    iss = "https://ehr.example"
    ehr = Ehr("bench", iss, key, None, now=system_now, choices={"jwks": "keys.json"})
    settings = {
        "READMIT_TENANTS": str(tenants_file(folder, ehr)),
        "READMIT_PUBLIC_URL": PUBLIC,
        "READMIT_STORAGE_KEYS": json.dumps([STORAGE_KEY]),
        "READMIT_DATABASE": f"sqlite+aiosqlite:///{folder}/bench.sqlite",
    }
    options = ["cds_service", "serve", "--port", "{port}", "--bundle", bundle]
    with serving(options, "/cds-services", settings=settings) as base:
        yield Called(base + HOOK, ehr)


def _milliseconds(client: httpx.Client, called: Called, body: bytes) -> float:
    """From sending to the whole answer; the token is signed before."""
    headers = {"content-type": "application/json"}
    headers |= called.ehr.authorization(HOOK) if called.ehr else {}
    start = time.perf_counter()
    client.post(called.url, content=body, headers=headers).raise_for_status()
    return (time.perf_counter() - start) * 1000


def _flush(file: IO[bytes]) -> float:
    start = time.perf_counter()
    file.write(bytes(4096))
    file.flush()
    os.fsync(file.fileno())
    return (time.perf_counter() - start) * 1000


def _added(name: str, ours: float, against: float, most: float) -> Row:
    target = f"<= against + {most:g} ms"
    return row(name, ours, against, most=against + most, target=target, unit="ms")


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[98]


if __name__ == "__main__":
    main()
