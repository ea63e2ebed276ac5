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
    absent: str = "not measured: needs a GPU"


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

BINDS: Final[Mapping[str, str]] = {
    "network, batch 4096": (
        "the float32 products themselves, three quarters of the time: on this AMD processor torch gives them to a"
        " library that leaves half of its vector width unused, at 90 to 100 GFLOP a second for any layout tried."
        " oneDNN does twice as many, and torch reaches it in compiled graphs only; a compiler in the image of the"
        " service, or another runtime, was not thought worth it."
    ),
    "hook p50": "the machine: a run under a load of five.",
    "hook p50, the next goal": "the machine: a run under a load of five.",
    "hook p50 with contributions": "the machine: a run under a load of five.",
    "hook p50 beside HealthChain": "the machine: a run under a load of five.",
    "hook p99": "the machine: a run under a load of five.",
    "batch, export x 100, beside orjson.loads of the same bytes": (
        "reading the FHIR elements that decide, in Python, one patient after the other."
    ),
    "batch beside orjson.loads, the next goal": "the same.",
}
"""By the name of the row that misses its target."""
