"""A Spark cluster of several processes on this machine, and runs on it as an operator starts them."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars
import psutil

from tests.conftest import ROOT

MASTER: Final = "local-cluster[2,1,1024]"
"""Two executors of one core each."""
_CONFIGURED: Final = """
spark.ui.enabled false
spark.task.maxFailures 3
spark.eventLog.enabled true
spark.eventLog.compress false
spark.eventLog.dir file://{logs}
"""


@dataclass(frozen=True)
class Cluster:
    """Where one test's Spark lives. `logs`: whatever is said by any of its processes."""

    folder: Path
    settings: dict[str, str]

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def start(
        self, words: Sequence[object], *, master: str = MASTER, faulty: str = ""
    ) -> subprocess.Popen[str]:
        """`readmit score` by Spark, in small shards and pieces; `faulty`: see spark_run.py."""
        spark = ["--engine", "spark", "--master", master]
        command = [sys.executable, "-m", "tests.batch.spark_run", "score", *map(str, words), *spark]
        with (self.logs / "driver").open("a") as said:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env=os.environ | self.settings | {"SPARK_RUN_FAULTY": faulty},
                stdout=said,
                stderr=said,
                text=True,
            )

    def loads(self) -> dict[str, int]:
        """What the last run said of bundles loaded, by worker process."""
        found: dict[str, int] = json.loads((self.folder / "loads.json").read_bytes())
        return found

    def said(self) -> str:
        """By all processes, in all logs."""
        files = [each for each in self._logged() if each.is_file()]
        return "\n".join(each.read_text("utf-8", errors="replace") for each in files)

    def _logged(self) -> Iterator[Path]:
        yield from self.logs.rglob("*")
        yield from (self.folder / "home" / "work").rglob("std*")


def cluster(folder: Path) -> Cluster:
    """Spark's home is a folder of links, since executors log below it."""
    import pyspark

    home, configured, logs = (folder / each for each in ("home", "configured", "logs"))
    for each in (home, configured, logs, folder / "local"):
        each.mkdir(parents=True)
    for each in Path(pyspark.__file__).parent.iterdir():
        if each.name != "work":
            (home / each.name).symlink_to(each)
    (configured / "spark-defaults.conf").write_text(_CONFIGURED.format(logs=logs))
    return Cluster(
        folder,
        {
            "SPARK_HOME": str(home),
            "SPARK_CONF_DIR": str(configured),
            "SPARK_LOCAL_DIRS": str(folder / "local"),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_RUN_LOADS": str(folder / "loads.json"),
            "PYTHONPATH": str(ROOT),
        },
    )


def executors(of: subprocess.Popen[str]) -> list[psutil.Process]:
    """The executors' processes of a run that is going on."""
    below = psutil.Process(of.pid).children(recursive=True)
    return [each for each in below if "CoarseGrainedExecutorBackend" in _command(each)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def outcome(folder: Path, run: Path) -> dict[str, Any]:
    """All but what says which run it was, and when."""
    table = polars.read_parquet(folder / "out.parquet").sort("uuid")
    lines = (folder / "out.ndjson").read_text("utf-8").splitlines()
    resources = [{**json.loads(line), "meta": None} for line in lines]
    return {
        "rows": table.drop("hook_instance", "created_at").rows(),
        "columns": table.columns,
        "csv": _rows(folder / "out.csv"),
        "resources": sorted(resources, key=lambda each: str(each["id"])),
        "summary": json.loads((run / "summary.json").read_bytes()),
        "aside": sorted((run / "aside.ndjson").read_text().splitlines()),
    }


def _rows(file: Path) -> list[tuple[Any, ...]]:
    return sorted(polars.read_csv(file).drop("hook_instance", "created_at").rows(), key=str)


def ended(run: subprocess.Popen[str]) -> int:
    """How a run came to its end."""
    try:
        return run.wait(600)
    finally:
        end([psutil.Process(run.pid)] if run.poll() is None else [])


def end(processes: Iterable[psutil.Process]) -> None:
    for each in processes:
        for child in [*each.children(recursive=True), each]:
            child.kill()
