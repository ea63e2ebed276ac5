"""`python -m bench.apart WORDS`: `readmit WORDS`, then one line of JSON of what that took.

A process of its own, so that the memory is the command's and nobody else's.
"""

import json
import re
import sys
import time
from pathlib import Path

from cds_service.cli import app


def main() -> int:
    """Exit status of the command."""
    wall, cpu = time.perf_counter(), time.process_time()
    status = app(sys.argv[1:], standalone_mode=False)
    took = {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
        "peak_bytes": peak_bytes(),
    }
    print(json.dumps(took))
    return int(status or 0)


def peak_bytes() -> int:
    """Of this process so far: resident memory at its highest."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    sys.exit(main())
