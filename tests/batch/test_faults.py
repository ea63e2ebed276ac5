"""A full disk, a store that goes away, an export of nobody, a patient with 100,000 Observations: a
sentence or a result, nothing half-written, and the same command afterwards comes to its end."""

import asyncio
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars
import pytest
from typer.testing import CliRunner, Result

from cds_service.batch.targets.database import DatabaseTarget
from cds_service.cli import app
from cds_service.settings import MEBIBYTE
from tests.batch.ending import outputs, stored
from tests.conftest import ROOT
from tests.service.conftest import url_of
from tests.spec.record import observation, patient, stay

MANY = 100_000
PEOPLE, SHARE = 4, 750  # so little memory for a shard that there are several
MARGARET = ROOT / "examples" / "patients" / "margaret-heart-failure.json"
FILES = ("out.csv", "out.parquet", "out.ndjson")
EVERYWHERE = (*FILES, "database")
CANARY = "zyxomel"  # stands in every id, and may stand in no message
BUNDLE = '{"readmission-risk": "bundles/lace-hospital"}'
Score = Callable[..., Result]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Of one example patient several, in two files."""
    (tmp_path / "export").mkdir()
    resources = [each["resource"] for each in json.loads(MARGARET.read_bytes())["entry"]]
    text = "".join(json.dumps(each) + "\n" for each in resources)
    for number in range(PEOPLE):
        copy = text.replace("margaret-heart-failure-", f"{CANARY}{number}-")
        with (tmp_path / "export" / f"{number % 2}.ndjson").open("a") as file:
            file.write(copy)
    return tmp_path / "export"


@pytest.fixture
def score(export: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("cds_service.batch.run._SHARE", SHARE)
    monkeypatch.setenv("READMIT_BUNDLES", BUNDLE)

    def run(folder: Path, targets: Sequence[str], database: str = "", of: Path = export) -> Result:
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("READMIT_DATABASE", database or sqlite_in(folder))
        return CliRunner().invoke(app, words(folder, targets, of))

    return run


def words(folder: Path, targets: Sequence[str], export: Path, memory: int = 512) -> list[str]:
    into = [each if each == "database" else str(folder / each) for each in targets]
    named = [word for each in into for word in ("--to", each)]
    run = ["--run", str(folder / "run"), "--memory", str(memory)]
    return ["score", "--from", str(export), *named, *run]


def sqlite_in(folder: Path) -> str:
    return f"sqlite+aiosqlite:///{folder}/test.sqlite"


def refused(answer: Result) -> str:
    assert answer.exit_code == 2, answer.output
    assert "Traceback" not in answer.output
    assert CANARY not in answer.output
    return answer.output.replace("\n", " ")


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """The system refuses every write beyond that size of a file, and keeps what fitted."""
    before, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, most))


@pytest.mark.slow
def test_a_disk_without_room_for_any_one_file(score: Score, tmp_path: Path) -> None:
    folder, heard = tmp_path / "work", ""
    assert score(folder, FILES).exit_code == 0
    reference = outputs(folder)
    for kept in ((), ("run.json", "sorted"), ("run.json", "sorted", "rows", "parts")):
        for size in sizes(folder, but=kept):
            clear(folder, but=kept)
            with no_file_beyond(size * 9 // 10):
                heard += refused(score(folder, FILES))
            assert not [*folder.rglob("*.part")]
            there = {each.name: each.stat().st_size for each in folder.glob("out.*")}
            ends_with(reference, folder, score(folder, FILES))
            assert there == {name: (folder / name).stat().st_size for name in there}
    for where in ("run.json", "sorted", r"\d{4}.parquet", r"\d{4}.ndjson", *FILES):
        assert re.search(f"{where}: cannot be written", heard)


def sizes(folder: Path, but: Sequence[str]) -> list[int]:
    files = [each for each in folder.rglob("*") if each.is_file()]
    return sorted({each.stat().st_size for each in files if not {*each.parts} & {*but}} - {0})


def clear(folder: Path, but: Sequence[str]) -> None:
    for each in [*folder.glob("out.*"), *(folder / "run").iterdir()]:
        if each.name not in but or each.parent == folder:
            shutil.rmtree(each) if each.is_dir() else each.unlink()


@pytest.mark.slow
def test_a_disk_without_room_for_the_store(score: Score, tmp_path: Path) -> None:
    assert score(tmp_path / "whole", EVERYWHERE).exit_code == 0
    size = (tmp_path / "whole" / "test.sqlite").stat().st_size
    for room, said in ((size // 9, "store cannot be opened"), (size * 9 // 10, "row could not be")):
        folder = tmp_path / f"room{room}"
        with no_file_beyond(room):
            assert said in refused(score(folder, EVERYWHERE))
        ends_with(outputs(tmp_path / "whole"), folder, score(folder, EVERYWHERE))
        assert asyncio.run(stored(sqlite_in(folder))) == outputs(folder)["uuids"]


def ends_with(reference: Mapping[str, Any], folder: Path, answer: Result) -> None:
    assert answer.exit_code == 0, answer.output
    assert outputs(folder) == reference


@pytest.fixture
def when_two_are_stored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """That happens in mid-run: between the second shard and the third."""

    def happens(what: Callable[[], object]) -> None:
        write, shards = DatabaseTarget.write, count()

        async def writing(target: DatabaseTarget, shard: int, results: Sequence[Any]) -> None:
            if next(shards) == 2:
                await asyncio.to_thread(what)
            await write(target, shard, results)

        monkeypatch.setattr(DatabaseTarget, "write", writing)

    return happens


@pytest.mark.slow
@pytest.mark.postgres
def test_a_store_whose_server_stops(
    score: Score, tmp_path: Path, own_postgres: Any, when_two_are_stored: Any
) -> None:
    url = url_of(own_postgres)
    when_two_are_stored(own_postgres.stop)
    assert "it could not be read" in refused(score(tmp_path / "work", EVERYWHERE, url))
    assert not [*(tmp_path / "work").glob("out.*")]
    assert "store cannot be opened" in refused(score(tmp_path / "work", EVERYWHERE, url))
    own_postgres.start()
    ends_whole(score, tmp_path, url)


def ends_whole(score: Score, tmp_path: Path, url: str) -> None:
    """The command that was refused before, now beside one that nothing happened to."""
    assert score(tmp_path / "whole", EVERYWHERE).exit_code == 0
    ends_with(
        outputs(tmp_path / "whole"), tmp_path / "work", score(tmp_path / "work", EVERYWHERE, url)
    )
    assert asyncio.run(stored(url)) == outputs(tmp_path / "whole")["uuids"]


def test_a_store_that_is_moved_away(score: Score, tmp_path: Path, when_two_are_stored: Any) -> None:
    """SQLite writes on, to where nobody will look: the run says so at its end."""
    place, elsewhere = tmp_path / "store", tmp_path / "elsewhere"
    place.mkdir()
    when_two_are_stored(lambda: place.rename(elsewhere))
    assert "it could not be read" in refused(score(tmp_path / "work", EVERYWHERE, sqlite_in(place)))
    place.mkdir()
    said = refused(score(tmp_path / "work", EVERYWHERE, sqlite_in(place)))
    assert "database: lacks results of this run" in said
    shutil.rmtree(place)
    elsewhere.rename(place)
    ends_whole(score, tmp_path, sqlite_in(place))


@pytest.mark.parametrize("content", ["", "\n\n", '{"resourceType": "Location", "id": "l"}\n'])
def test_an_export_without_a_patient_is_a_result(
    score: Score, tmp_path: Path, content: str
) -> None:
    (tmp_path / "nobody").mkdir()
    for name in ("a.ndjson", "b.ndjson"):
        (tmp_path / "nobody" / name).write_text(content)
    for _ in range(2):
        answer = score(tmp_path / "work", EVERYWHERE, of=tmp_path / "nobody")
        assert answer.exit_code == 0, answer.output
        assert "0 stays: 0 scored" in answer.output
        found = outputs(tmp_path / "work")
        assert (found["rows"], found["rows of the csv"], found["resources"]) == ([], 0, [])
        assert asyncio.run(stored(sqlite_in(tmp_path / "work"))) == []


def test_a_folder_without_a_file_is_a_sentence(score: Score, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    assert "nothing: no FHIR file" in refused(score(tmp_path / "w", FILES, of=tmp_path / "nothing"))
    assert not [*(tmp_path / "w").iterdir()]


@pytest.mark.slow
def test_a_patient_with_a_hundred_thousand_observations(tmp_path: Path) -> None:
    """In a process of its own, whose memory stays within the setting; of the values the last is taken."""
    begins = datetime(2024, 3, 10, 12, tzinfo=UTC)
    times = [begins + timedelta(seconds=4 * number) for number in range(MANY)]
    taken = (
        observation(each.isoformat(), "718-7", str(5 + number % 19), "g/dL", id=f"o{number}")
        for number, each in enumerate(times)
    )
    export = tmp_path / "export.ndjson"
    with export.open("w") as file:
        for each in (patient(), stay(), *taken):
            file.write(json.dumps(each) + "\n")
    environment = {"READMIT_BUNDLES": BUNDLE, "READMIT_DATABASE": sqlite_in(tmp_path)}
    peak = run_apart(words(tmp_path, EVERYWHERE, export, memory=1024), environment)
    assert peak < 1024 * MEBIBYTE
    (row,) = polars.read_parquet(tmp_path / "out.parquet").iter_rows(named=True)
    assert row["feature_hemoglobin_last"] == 5 + (MANY - 1) % 19
    assert asyncio.run(stored(sqlite_in(tmp_path))) == [row["uuid"]]


def run_apart(words: Sequence[str], environment: Mapping[str, str]) -> int:
    """The most bytes of memory that `readmit` took in a process of its own."""
    command = [sys.executable, "-m", "bench.apart", *words]
    given = {**os.environ, **environment, "OMP_NUM_THREADS": "1"}
    ran = subprocess.run(command, cwd=ROOT, env=given, check=True, capture_output=True)
    return int(json.loads(ran.stdout.splitlines()[-1])["peak_bytes"])
