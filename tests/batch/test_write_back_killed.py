"""kill -9 between what a FHIR server did and our note of it: the same command goes on, and there is one."""

import json
import multiprocessing
import os
import random
import shutil
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.responses import Response
from typer.testing import CliRunner, Result

from cds_service.cli import app
from tests.batch.one_run import one_run
from tests.batch.test_write_back import MARGARET, PATIENTS, STAYS, settings
from tests.batch.written_server import KINDS, WAYS, FakeFhir, Json, fake_fhir
from tests.conftest import ROOT

pytestmark = pytest.mark.slow
WRITES = 2 * STAYS + 1
FORK = multiprocessing.get_context("forkserver")
FORK.set_forkserver_preload(["tests.batch.one_run"])  # seconds of imports, once


@pytest.fixture
def server() -> Iterator[FakeFhir]:
    with fake_fhir() as running:
        yield running


@pytest.fixture
def words(server: FakeFhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(ROOT)
    (tmp_path / "from").mkdir()
    shutil.copy(PATIENTS / f"{MARGARET}.json", tmp_path / "from")
    settings(monkeypatch, tmp_path, server)
    monkeypatch.delenv("READMIT_APP_KEYS")
    return ["score", "--from", f"{tmp_path}/from", "--to", "fhir", "--tenant", "north"]


def killed_at(write: int, server: FakeFhir, words: list[str]) -> None:
    """Killed after the server did so many writes, before it answers the last of them."""
    given = {name: value for name, value in os.environ.items() if name.startswith("READMIT_")}
    process = FORK.Process(target=one_run, args=(words, given, str(ROOT)))

    def kill(method: str, kind: str, body: Json) -> Response | None:
        if len(server.writes) == write and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        return None

    server.after = kill
    process.start()
    process.join()
    server.after = lambda method, kind, body: None
    assert process.exitcode == -signal.SIGKILL


def ended(words: list[str]) -> Result:
    return CliRunner().invoke(app, words)


def assert_once(server: FakeFhir) -> None:
    """Each assessment and what was made of it is there, and nothing twice."""
    assert len(server.of("Device")) == 1
    named = Counter(each["identifier"][0]["value"] for each in server.of("RiskAssessment"))
    assert (len(named), set(named.values())) == (STAYS, {1})
    targets = Counter(each["target"][0]["reference"] for each in server.of("Provenance"))
    places = {f"RiskAssessment/{name}" for name in server.held["RiskAssessment"]}
    assert (set(targets), set(targets.values())) == (places, {1})


@pytest.mark.parametrize("way", [name for name in WAYS if name != "note"])
def test_what_was_written_unanswered_is_found_at_the_server(
    way: str, server: FakeFhir, words: list[str], tmp_path: Path
) -> None:
    server.statement = WAYS[way]
    run = ["--run", str(tmp_path / "run")]
    for write in random.Random(7).sample(range(1, WRITES), 3):  # noqa: S311 - no secret
        if write > len(server.writes):
            killed_at(write, server, [*words, *run])
    answer = ended([*words, *run])
    assert answer.exit_code == 0, answer.output
    assert_once(server)
    wrote = list(server.writes)
    assert ended([*words, "--run", str(tmp_path / "again")]).exit_code == 0
    assert server.writes == wrote


@pytest.mark.parametrize("write", [1, 6, WRITES - 1])
def test_where_nothing_can_be_asked_what_is_in_doubt_is_told_and_never_sent_twice(
    write: int,
    server: FakeFhir,
    words: list[str],
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.statement = WAYS["note"]
    run = tmp_path / "run"
    monkeypatch.setenv("READMIT_DATABASE", database)
    killed_at(write, server, [*words, "--run", str(run)])
    answer = ended([*words, "--run", str(run)])
    assert answer.exit_code == 1, answer.output
    told = [json.loads(line) for line in (run / "refused.ndjson").read_bytes().splitlines()]
    assert told
    assert all(each["why"].startswith("sent once, and no answer was noted") for each in told)
    named = [each["identifier"][0]["value"] for each in server.of("RiskAssessment")]
    assert len(named) == len(set(named))
    assert len(server.of("Device")) == 1
    doubted = {f"urn:uuid:{each['uuid']}" for each in told if each["resource"] == KINDS[1]}
    assert len(doubted | set(named)) == STAYS
    wrote = list(server.writes)
    assert ended([*words, "--run", str(tmp_path / "again")]).exit_code == 1
    assert server.writes == wrote
