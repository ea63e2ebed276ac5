"""`python -m bench.extraction`: from the bytes of a hook request to the vector of features, beside `orjson.loads`
of the same bytes, which leaves a dictionary that nobody has looked at yet."""

import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from bench.interleaved import shortest
from bench.reporting import report, told
from bench.requests import EXAMPLE, RESOURCES, Requests
from cds_service.answering import assessed
from cds_service.hooks.call import read_call
from cds_service.services import offered
from cds_service.settings import READMISSION

BUNDLE = Path("bundles/lace-hospital")
NOW = datetime(2026, 11, 2, 19, 0, tzinfo=UTC)
ROUNDS = 20


def main() -> None:
    """Measure, print, write."""
    body = Requests().body(0)
    assessor = offered({READMISSION: BUNDLE}, ())[READMISSION].assessor
    assert assessed(read_call(body, NOW), assessor).vector is not None
    ways = {
        "ours": lambda: assessed(read_call(body, NOW), assessor),
        "orjson": lambda: orjson.loads(body),
    }
    took = shortest(ways, rounds=ROUNDS, turn=5, clock=time.process_time)
    conditions = {
        "request": EXAMPLE.name,
        "bytes": len(body),
        "resources": RESOURCES,
        "ours": "envelope, history, vector of 105 features, LACE and HOSPITAL",
        "time": "CPU time, the shortest of the rounds",
    }
    name = "extraction beside orjson.loads of the same bytes"
    rows = [told(name, took["ours"], took["orjson"], unit="ms")]
    report("extraction", rows, conditions, "One request, one thread")


if __name__ == "__main__":
    main()
