"""What is to be reached, which row tells whether it was, and what binds where it was not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Target:
    """`rows`: the names of the rows that decide, in bench/results; where there is none, `absent` says why."""

    what: str
    goal: str
    rows: tuple[str, ...] = ()
    absent: str = "not measured: needs a GPU ([gpu.md](gpu.md))"


TARGETS: Final = (
    Target(
        "hook, 266 resources in prefetch, p50 over an empty FastAPI endpoint, auth and audit on,"
        " without contributions",
        "+ 5 ms, then + 2 ms",
        ("hook p50", "hook p50, the next goal"),
    ),
    Target(
        "the same with contributions, demonstration bundle",
        "<= 30 ms",
        ("hook p50 with contributions",),
    ),
    Target(
        "the same request to HealthChain's service",
        ">= 20 times faster",
        ("hook p50 beside HealthChain",),
    ),
    Target("hook p99 over the empty endpoint's p99, same run", "<= 2", ("hook p99",)),
    Target(
        "batch, NDJSON to scores, per core, over orjson.loads of the same bytes",
        "<= 2, then level",
        (
            "batch, export x 100, beside orjson.loads of the same bytes",
            "batch beside orjson.loads, the next goal",
        ),
    ),
    Target(
        "scoring, CPU, over pytorch-tabnet's predict_proba on the same weights",
        ">= 8 times faster at batch 1, >= 4 times at 4096",
        ("network, batch 1", "network, batch 4096"),
        absent="not measured yet",
    ),
    Target("scoring, H200, float32, over our own path on one CPU core", ">= 20 at batch 4096"),
    Target(
        "text encoder, 256-token chunks, CPU, over transformers' Longformer",
        ">= 5 times faster",
        ("text encoder, 256-token chunks",),
    ),
    Target("text encoder, 256-token chunks, H200 in bf16, over the same", ">= 8 times faster"),
    Target("masked pretraining epoch, H200, over TabNetPretrainer.fit", ">= 5 times faster"),
)

_HOOK = (
    "the call's own work in Python. Its parts at their best in one process, 12.8 ms, the median half as much again: 5.1"
    " ms to read 266 resources, make the vector and keep what it rests on; 4.5 ms for the transactions of the stay and"
    " of the token, with sealing, two flushes to the disk and 28 hand-overs between the event loop and the thread that"
    " speaks to SQLite; 1.2 ms for the card, 0.4 ms for the signature, 1 ms for FastAPI. SQLite without hand-overs"
    " would take 1.5 ms less. Of the reading a fifth is decoding, the rest a few microseconds for each resource,"
    " event and feature."
)
BINDS: Final[Mapping[str, str]] = {
    "hook p50": _HOOK,
    "hook p50, the next goal": "the same.",
    "hook p50 with contributions": (
        "the same, and the contributions: 128 slopes of five networks in three batches, the most of it their products;"
        " decision 0026 says what is bought with them."
    ),
    "hook p50 beside HealthChain": (
        "the same: HealthChain's service reads the prefetch and no more, ours checks a token, assesses, seals and"
        " keeps an audited row on the disk before it answers."
    ),
    "hook p99": (
        "the same: the call's p99 is 1.3 times its p50, the empty endpoint's 1.4 times, so the tail is not what"
        " binds. The conditions have what a flush to the disk takes; a call waits for two."
    ),
    "batch, export x 100, beside orjson.loads of the same bytes": (
        "every line is looked at more than once: more than half of the time goes to sorting the lines by patient, four"
        " microseconds a line, of which its SHA-256, asking whose it is and writing it take about one each, and nearly"
        " another to read it again; the rest goes to decoding and the vector, in Python. Memory stays bounded"
        " and each line accounted for; that is what the sorting buys."
    ),
    "batch beside orjson.loads, the next goal": "the same.",
    "batch by Spark, 2 worker processes beside 1": (
        "two cores, which the two workers share with the driver and the JVM; with one worker these have a core of"
        " their own. More cores than workers would be needed to say more."
    ),
    "network, batch 4096": (
        "the float32 products themselves, three quarters of the time: on this AMD processor torch gives them to a"
        " library that does 90 to 100 GFLOP a second in any layout tried. oneDNN does twice as many, and torch"
        " reaches it in compiled graphs only; decision 0023 says why there are none."
    ),
}
"""By the name of the row that misses its target."""
