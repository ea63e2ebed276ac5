"""Killed at any step of a search and called again: the same files, and little asked for twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cds_service.batch.arrived import Arrived
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import Time, registration
from tests.batch.killed import received
from tests.batch.searches import Searching, stays
from tests.batch.test_bulk_resume import Dying, KilledError

PATIENTS = 12


@pytest.fixture
def search(server: FakeBulk, time: Time, tmp_path: Path) -> Searching:
    server.records, server.faults.page_size = stays(PATIENTS), 20
    return Searching(server, tmp_path / "whole", time, registration(server))


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / f"run-{number}" for number in range(1000))


def contents(arrived: Arrived) -> list[tuple[str, bytes]]:
    return [(path.name, path.read_bytes()) for path in arrived.files]


def same(one: Arrived, other: Arrived) -> bool:
    """But for where they lie."""
    return contents(one) == contents(other) and (one.types, one.stays) == (other.types, other.stays)


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
async def test_killed_at_each_request(
    search: Searching, server: FakeBulk, folders: Iterator[Path], answered: bool
) -> None:
    whole = await search.arrive("/Encounter")
    for at in range(0, len(server.seen), 5):
        search.folder, search.transport = next(folders), Dying(at, answered=answered)
        with pytest.raises(KilledError):
            await search.arrive("/Encounter", at_once=1)
        search.transport = None
        assert same(await search.arrive("/Encounter"), whole)
        assert not list(search.folder.glob(".*"))


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_killed_at_each_rename(
    search: Searching,
    folders: Iterator[Path],
    monkeypatch: pytest.MonkeyPatch,
    done: bool,
) -> None:
    whole, real, left = await search.arrive(), Path.replace, [0]

    def replace(path: Path, target: Path) -> Path:
        left[0] -= 1
        moved = target if left[0] < 0 and not done else real(path, target)
        if left[0] < 0:
            raise KilledError
        return moved

    finished = False
    while not finished:
        search.folder = next(folders)
        left[0] = int(search.folder.name.split("-")[1])
        with monkeypatch.context() as dying:
            dying.setattr(Path, "replace", replace)
            try:
                await search.arrive(at_once=1)
                finished = True
            except KilledError:
                pass
        assert same(await search.arrive(), whole)


async def test_files_that_are_done_are_not_asked_for_again(
    search: Searching, server: FakeBulk
) -> None:
    whole, search.folder = await search.arrive(), search.folder.with_name("again")
    search.transport = Dying(50, answered=False)
    with pytest.raises(KilledError):
        await search.arrive(at_once=1)
    assert [file.name for file in search.folder.glob("records-*.ndjson")] == [
        "records-00000.ndjson"
    ]
    search.transport = None
    server.seen.clear()
    assert same(await search.arrive(), whole)
    assert len(server.at("Condition")) == PATIENTS - 3


@pytest.mark.slow
def test_a_process_that_is_killed(server: FakeBulk, tmp_path: Path) -> None:
    server.records = stays(PATIENTS)
    came = [received(server, server.base, tmp_path / f"{at}", at=at) for at in (0, 60)]
    assert came[0]
    assert len(set(came)) == 1
