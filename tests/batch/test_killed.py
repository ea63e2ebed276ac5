"""kill -9 at any moment: the same command goes on, and ends with what a whole run has."""

import asyncio
import json
import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_service.batch.lines import lines_of
from cds_service.cli import app
from fhir_mapping.exports import export_files
from fhir_mapping.shards import shard_of
from fhir_mapping.subjects import subject_of_malformed
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.ending import outputs, stored
from tests.batch.one_run import SHARE, one_run
from tests.batch.tenancy import tenancy
from tests.conftest import ROOT

pytestmark = [pytest.mark.data, pytest.mark.slow]
KILLS, MOST = 20, 8
"""So many in all, and of one run: a machine that starts slowly would kill it for ever."""
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.batch.one_run"])  # seconds of imports, once


@pytest.fixture
def words(
    data_dir: Path,
    tmp_path: Path,
    database: str,
    server: FakeBulk,
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("cds_service.batch.run._SHARE", SHARE)
    monkeypatch.setenv("READMIT_DATABASE", database)
    monkeypatch.setenv("READMIT_BUNDLES", '{"readmission-risk": "bundles/lace-hospital"}')
    for name, value in tenancy(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    source = exported(a_part(data_dir / "synthea-bulk100" / "ndjson"), server)
    into = [f"{tmp_path}/out.{suffix}" for suffix in ("csv", "parquet", "ndjson")]
    targets = [word for each in (*into, "database") for word in ("--to", each)]
    return ["score", "--from", *source, *targets, "--memory", "512"]


def a_part(export: Path) -> list[bytes]:
    """The lines of some patients, so that a run is short."""
    lines = [line.raw for file in export_files(export) for line in lines_of(file) if line.raw]
    return [raw for raw in lines if shard_of(subject_of_malformed(raw), 6) == 0]


def exported(lines: list[bytes], server: FakeBulk) -> list[str]:
    """A server that exports them, in two files of each type."""
    server.faults.polls, server.faults.files_per_type, server.records = 0, 2, {}
    for resource in map(json.loads, lines):
        server.records.setdefault(resource["resourceType"], []).append(resource)
    return [f"{server.base}/$export", "--tenant", "north"]


def test_the_end_is_the_same(words: list[str], tmp_path: Path, database: str) -> None:
    began = time.monotonic()
    wanted = ended(words, tmp_path / "whole")
    takes = time.monotonic() - began
    reference = outputs(tmp_path, "whole")
    choose, killed, runs = random.Random(11), 0, 0  # noqa: S311 - no secret
    while killed < KILLS:
        runs += 1
        run = tmp_path / f"run{runs}"
        for _ in range(MOST):
            if not killed_after(choose.uniform(0, takes), words, run):
                break
            killed += 1
        assert ended(words, run) == wanted
        assert outputs(tmp_path, run.name) == reference
    assert asyncio.run(stored(database)) == sorted(reference["uuids"])


def ended(words: list[str], run: Path) -> dict[str, Any]:
    """The summary of a run that is left alone."""
    answer = CliRunner().invoke(app, [*words, "--run", str(run)])
    assert answer.exit_code == 0, answer.output
    found: dict[str, Any] = json.loads((run / "summary.json").read_bytes())
    return found


def killed_after(seconds: float, words: list[str], run: Path) -> bool:
    """Whether it was killed; else it came to its end before."""
    given = {name: value for name, value in os.environ.items() if name.startswith("READMIT_")}
    process = FORK.Process(target=one_run, args=([*words, "--run", str(run)], given, str(ROOT)))
    process.start()
    process.join(seconds)
    if process.exitcode is None and process.pid:
        os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == -signal.SIGKILL
