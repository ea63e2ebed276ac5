"""Several worker processes find what one machine finds, whatever becomes of them on the way."""

import asyncio
import gzip
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from typer.testing import CliRunner

from cds_service.batch.lines import lines_of
from cds_service.cli import app
from cds_service.storage.store import Store
from cds_service.storage.vault import Vault
from fhir_mapping.subjects import subject_of_malformed
from tests.batch.spark_run import SHARE
from tests.batch.sparks import Cluster, cluster, end, ended, executors, outcome
from tests.conftest import ROOT

pytestmark = [pytest.mark.data, pytest.mark.slow, pytest.mark.usefixtures("spark")]

CANARY = "canary-of-a-record"
CUT = "Observation.ndjson"
PACKED = ("Condition", "Encounter", "MedicationRequest", "Patient", "Procedure")


@pytest.fixture(scope="module")
def source(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with a file that is cut, files that cannot be, and lines that are of no use."""
    export, folder = data_dir / "synthea-bulk100" / "ndjson", tmp_path_factory.mktemp("export")
    for name in PACKED:
        shutil.copy(export / f"{name}.ndjson.gz", folder)
    lines = gzip.decompress((export / f"{CUT}.gz").read_bytes()).splitlines()
    patient = subject_of_malformed(lines[0])
    subject = {"reference": f"Patient/{patient}"}
    for place, bad in (
        (10, f'{{"{CANARY}'),
        (len(lines) // 2, json.dumps({"resourceType": "Observation", "id": CANARY})),
        (len(lines) - 5, json.dumps({"no": CANARY})),
        (
            len(lines) - 3,
            json.dumps({"resourceType": "Observation", "status": [CANARY], "subject": subject}),
        ),
        (len(lines), ""),
    ):
        lines.insert(place, bad.encode())
    (folder / CUT).write_bytes(b"\n".join(lines) + b"\n")
    return folder


@pytest.fixture(scope="module")
def patients(source: Path) -> set[str]:
    found = (subject_of_malformed(line.raw or b"") for line in lines_of(source / CUT))
    return {each for each in found if each}


@pytest.fixture(scope="module")
def reference(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one machine finds."""
    folder = tmp_path_factory.mktemp("reference")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr("cds_service.batch.run._SHARE", SHARE)
        words = [*words_of(source, folder), "--run", str(folder / "run")]
        answer = CliRunner().invoke(app, ["score", *words])
    assert answer.exit_code == 0, answer.output
    found = outcome(folder, folder / "run")
    assert sum(found["summary"]["lines"]["put aside"].values()) == 3
    assert found["summary"]["scored"] > 30
    return found


def words_of(source: Path, folder: Path) -> list[str]:
    into = [f"{folder}/out.{suffix}" for suffix in ("csv", "parquet", "ndjson")]
    targets = [word for each in into for word in ("--to", each)]
    return ["--from", str(source), *targets, "--memory", "512"]


@pytest.fixture
def on(tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of its own; whatever it leaves running is ended."""
    yield cluster(tmp_path / "spark")
    left = [each for each in psutil.process_iter(["cmdline"]) if of(each, tmp_path)]
    end(each for each in left if each.is_running())


@pytest.fixture(scope="module", autouse=True)
def refused(
    spark: None, source: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cluster, subprocess.Popen[str]]]:
    """A run whose master is not there. Spark asks for a minute: begun before the other tests."""
    folder = tmp_path_factory.mktemp("refused")
    alone = cluster(folder / "spark")
    words = [*words_of(source, folder), "--run", folder / "run"]
    running = alone.start(words, master="spark://127.0.0.1:9")
    yield alone, running
    end([psutil.Process(running.pid)] if running.poll() is None else [])


def of(process: psutil.Process, folder: Path) -> bool:
    return any(str(folder) in word for word in process.info["cmdline"] or ())


def until(there: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Until so much of a run is there."""
    while not there():
        assert run.poll() is None, "it ended before"
        time.sleep(0.02)


def done(run: Path) -> int:
    return len(list((run / "rows").glob("*.parquet")))


def test_many_machines_find_what_one_finds_and_load_the_bundle_once(
    on: Cluster, source: Path, tmp_path: Path, reference: dict[str, Any]
) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path}/test.sqlite"
    on.settings["READMIT_DATABASE"] = database
    run = tmp_path / "run"
    words = [*words_of(source, tmp_path), "--to", "database", "--run", run]
    assert ended(on.start(words)) == 0, on.said()
    assert outcome(tmp_path, run) == reference
    assert asyncio.run(stored(database)) == sorted(each["id"] for each in reference["resources"])
    assert done(run) > 20
    assert len(list((run / "sorted").iterdir())) > 10
    assert not (run / "worked").exists()
    loads = on.loads()
    assert len(loads) == 2
    assert {*loads.values()} == {1}


async def stored(url: str) -> list[str]:
    store = Store(url, Vault())
    async with store.database.reading() as connection:
        rows = await connection.exec_driver_sql("SELECT uuid FROM assessment")
        found = sorted(uuid for (uuid,) in rows)
    await store.close()
    return found


def test_an_executor_that_is_killed_loses_nothing(
    on: Cluster, source: Path, tmp_path: Path, reference: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    running = on.start([*words_of(source, tmp_path), "--run", run])
    until(lambda: done(run) >= 3, running)
    first, *_ = executors(running)
    first.kill()
    assert done(run) < 20, "it was all but over"
    assert ended(running) == 0, on.said()
    assert outcome(tmp_path, run) == reference
    loads = on.loads()
    assert len(loads) >= 3  # one in place of the first
    assert {*loads.values()} == {1}


def test_a_killed_run_goes_on_with_what_is_lacking(
    on: Cluster, source: Path, tmp_path: Path, reference: dict[str, Any]
) -> None:
    run = tmp_path / "run"
    words = [*words_of(source, tmp_path), "--run", run]
    for least in (0, 5):
        running = on.start(words)
        until(lambda least=least: done(run) >= least and any(run.rglob("seen.json")), running)  # type: ignore[misc]
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    kept = {each: each.stat().st_mtime_ns for each in (run / "rows").iterdir()}
    assert len(kept) >= 5
    assert ended(on.start(words)) == 0, on.said()
    assert outcome(tmp_path, run) == reference
    assert {each: each.stat().st_mtime_ns for each in kept} == kept


def test_a_fault_on_a_worker_is_a_sentence_and_no_log_has_a_value(
    on: Cluster, source: Path, tmp_path: Path, patients: set[str]
) -> None:
    words = [*words_of(source, tmp_path), "--run", tmp_path / "run"]
    assert ended(on.start(words, faulty=CANARY)) == 2
    said = on.said()
    assert "Spark: a worker gave up: ValueError in spark_run.py, line" in said
    assert "CoarseGrainedExecutorBackend" in said  # executors' own logs are among them
    assert "SparkListenerTaskEnd" in said
    assert [each for each in (CANARY, *patients) if each in said] == []
    assert not (tmp_path / "out.csv").exists()


def test_a_file_that_ends_early_is_named(on: Cluster, source: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(source, tmp_path / "broken")
    packed = broken / "Condition.ndjson.gz"
    packed.write_bytes(packed.read_bytes()[:-9])
    words = [*words_of(broken, tmp_path), "--run", tmp_path / "run"]
    assert ended(on.start(words, master="local[2]")) == 2
    assert "Condition.ndjson.gz: cannot be read to its end" in on.said()


def test_a_master_that_is_not_there_is_a_sentence(
    refused: tuple[Cluster, subprocess.Popen[str]],
) -> None:
    alone, running = refused
    assert ended(running) == 2
    said = alone.said()
    assert "--master spark://127.0.0.1:9: Spark did not start" in said
    assert 'File "' not in said
