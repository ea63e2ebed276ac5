"""`python -m bench.batch`: an export of a hundred patients, and made 10 and 100 times larger by copying
them, scored on one core; beside it the time that `orjson.loads` alone takes for the same bytes.

Each size is scored in a process of its own. Times are CPU seconds, so that what else the machine does
falls on neither. The export is `synthea-bulk100` below READMIT_DATA (default ../shared/data).
"""

import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from bench.reporting import Row, report, row

EXPORT = "synthea-bulk100/ndjson"
SIZES = (1, 10, 100)
MEMORY_MIB = 2048
LESS_MEMORY_MIB = 512
MEBIBYTE = 2**20
TIMES_PARSING = 2.0
TIMES_LINEAR = 1.1
_ID = re.compile(rb"[0-9a-f]{2}([0-9a-f]{6}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_ONE_CORE = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
_say = Console(stderr=True).print


@dataclass(frozen=True)
class Scored:
    """What scoring one enlarged export took."""

    patients: int
    stays: int
    lines: int
    cpu_seconds: float
    seconds: float
    peak_mib: float


def main() -> None:
    """Measure, print, write."""
    export = Path(os.environ.get("READMIT_DATA") or "../shared/data") / EXPORT
    with tempfile.TemporaryDirectory() as folder:
        rows, conditions = compare(export, Path(folder))
    report("batch", rows, conditions, "Batch to Parquet, one core, CPU time")


def compare(export: Path, folder: Path) -> tuple[list[Row], dict[str, Any]]:
    """The rows, and what was measured for them."""
    found = {}
    for copies in SIZES:
        enlarged(export, folder / "export", copies)
        found[copies] = score(folder, MEMORY_MIB)
    less = score(folder, LESS_MEMORY_MIB)
    parsing, size = parsed(folder / "export")
    most = found[SIZES[-1]]
    rows = [
        *(_memory(copies, found[copies], MEMORY_MIB) for copies in SIZES),
        _memory(SIZES[-1], less, LESS_MEMORY_MIB),
        _linear(found[SIZES[1]], most),
        *_beside_parsing(most, parsing),
    ]
    conditions = {
        "export": EXPORT,
        "bytes": size,
        "lines": most.lines,
        "patients": most.patients,
        "stays": most.stays,
        "patients_per_cpu_second": round(most.patients / most.cpu_seconds, 1),
        "wall_seconds": round(most.seconds, 1),
        "cpu_seconds": {str(copies): round(each.cpu_seconds, 2) for copies, each in found.items()},
    }
    return rows, conditions


def enlarged(export: Path, folder: Path, copies: int) -> None:
    """Every resource `copies` times, with ids of its own also where others refer to it."""
    _say(f"The export, {copies} times", markup=False)
    folder.mkdir(exist_ok=True)
    for file in sorted(export.glob("*.ndjson.gz")):
        template = _ID.sub(rb"\0\1", gzip.decompress(file.read_bytes()))
        with (folder / file.name.removesuffix(".gz")).open("wb") as written:
            for number in range(copies):
                written.write(template.replace(b"\0", b"%02x" % number))


def score(folder: Path, memory: int) -> Scored:
    """`readmit score` of the export in the folder, in a process of its own, on one core."""
    _say(f"  scored with --memory {memory}", markup=False)
    with tempfile.TemporaryDirectory(dir=folder) as run:
        words = ["score", "--from", str(folder / "export"), "--to", f"{run}/out.parquet"]
        words += ["--run", f"{run}/run", "--memory", str(memory)]
        ran = subprocess.run(
            [sys.executable, "-m", "bench.apart", *words],
            env=os.environ | _ONE_CORE,
            check=True,
            stdout=subprocess.PIPE,
        )
        summary = json.loads(Path(run, "run", "summary.json").read_bytes())
    took = json.loads(ran.stdout.splitlines()[-1])
    return Scored(
        patients=(folder / "export" / "Patient.ndjson").read_bytes().count(b"\n"),
        stays=summary["stays"],
        lines=summary["lines"]["read"],
        cpu_seconds=took["cpu_seconds"],
        seconds=took["seconds"],
        peak_mib=took["peak_bytes"] / MEBIBYTE,
    )


def parsed(folder: Path) -> tuple[float, int]:
    """CPU seconds of `orjson.loads` for every line of the folder's files, and their bytes."""
    size, began = 0, time.process_time()
    for file in sorted(folder.iterdir()):
        size += file.stat().st_size
        with file.open("rb") as lines:
            for line in lines:
                orjson.loads(line)
    return time.process_time() - began, size


def _memory(copies: int, found: Scored, setting: int) -> Row:
    return row(
        f"batch peak memory, export x {copies}, beside --memory {setting}",
        found.peak_mib,
        setting,
        most=setting,
        target="<= against",
        unit="MiB",
    )


def _linear(less: Scored, most: Scored) -> Row:
    ours, against = (1000 * each.cpu_seconds / each.patients for each in (most, less))
    return row(
        f"batch, one patient, export x {SIZES[-1]} beside x {SIZES[1]}",
        ours,
        against,
        most=against * TIMES_LINEAR,
        target=f"<= against x {TIMES_LINEAR:g}",
        unit="ms",
    )


def _beside_parsing(found: Scored, parsing: float) -> Iterator[Row]:
    times = {
        f"batch, export x {SIZES[-1]}, beside orjson.loads of the same bytes": TIMES_PARSING,
        "batch beside orjson.loads, the next goal": 1.0,
    }
    for name, most in times.items():
        target = f"<= against x {most:g}"
        limit = parsing * most
        yield row(name, found.cpu_seconds, parsing, most=limit, target=target, unit="s")


if __name__ == "__main__":
    main()
