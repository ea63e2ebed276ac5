"""`python -m bench.spark`: an export made larger by copying its patients, scored by Spark on this machine with
two worker processes and with one, by turns, in one run; the shorter time of each counts.

Times are from the moment that Spark has started to the summary. All have to come to one checksum. The export
is `synthea-bulk100` below READMIT_DATA (default ../shared/data); Spark's part of the JVM shares the cores.
"""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.batch import EXPORT, enlarged
from bench.reporting import Row, report, row

COPIES = 40
MEMORY_MIB = 512
ROUNDS = 2
SPEED_UP = 1.5
_say = Console(stderr=True).print


@dataclass(frozen=True)
class Scored:
    """What one run took and found."""

    seconds: float
    summary: dict[str, Any]


def main() -> None:
    """Measure, print, write."""
    export = Path(os.environ.get("READMIT_DATA") or "../shared/data") / EXPORT
    with tempfile.TemporaryDirectory() as folder:
        rows, conditions = compare(export, Path(folder))
    report("spark", rows, conditions, f"Batch by Spark: speed-up {conditions['speed_up']:g}")


def compare(export: Path, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """The row, and what was measured for it."""
    enlarged(export, folder / "export", COPIES)
    found: dict[int, list[Scored]] = {workers: [] for workers in (1, 2)}
    for _ in range(ROUNDS):
        for workers, runs in found.items():
            runs.append(score(folder, workers))
    one, two = (min(runs, key=lambda run: run.seconds) for runs in found.values())
    assert one.summary == two.summary
    conditions = {
        "export": f"{EXPORT}, {COPIES} times",
        "patients": two.summary["patients"],
        "lines": two.summary["lines"]["read"],
        "cores": os.cpu_count(),
        "load_in_the_last_quarter_hour": round(os.getloadavg()[2], 1),
        "speed_up": round(one.seconds / two.seconds, 2),
    }
    return [
        row(
            "batch by Spark, 2 worker processes beside 1",
            two.seconds,
            one.seconds,
            most=one.seconds / SPEED_UP,
            target=f"<= against / {SPEED_UP:g}",
            unit="s",
        )
    ], conditions


def score(folder: Path, workers: int) -> Scored:
    """`readmit score` of the export in the folder, in small shards."""
    _say(f"  scored by Spark, worker processes: {workers}", markup=False)
    with tempfile.TemporaryDirectory(dir=folder) as into:
        run = Path(into) / "run"
        words = ["--from", str(folder / "export"), "--to", f"{into}/out.parquet", "--run", str(run)]
        words += ["--memory", str(MEMORY_MIB), "--engine", "spark", "--master", f"local[{workers}]"]
        subprocess.run([sys.executable, "-m", "cds_service", "score", *words], check=True)
        (begun,) = run.glob("bundle-*")
        done = run / "summary.json"
        return Scored(done.stat().st_mtime - begun.stat().st_ctime, json.loads(done.read_bytes()))


if __name__ == "__main__":
    main()
