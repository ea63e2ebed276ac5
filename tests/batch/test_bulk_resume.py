"""Killed at any step and called again: the same files, and no job more than the kill cost."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cds_service.batch.arrived import Arrived
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.exporting import Exporting
from tests.batch.killed import received

pytestmark = pytest.mark.sampled(6)


class KilledError(BaseException):
    """What no code of ours catches: the process ends here."""


TLS = httpx.create_ssl_context()


class Dying(httpx.AsyncBaseTransport):
    """Kills at the request of that number: before it is sent, or once it was answered."""

    def __init__(self, at: int, *, answered: bool) -> None:
        self._real, self._left, self._answered = httpx.AsyncHTTPTransport(verify=TLS), at, answered

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if self._left < 0 and not self._answered:
            raise KilledError
        response = await self._real.handle_async_request(request)
        if self._left < 0:
            await response.aread()
            raise KilledError
        return response

    async def aclose(self) -> None:
        await self._real.aclose()


def contents(arrived: Arrived) -> list[tuple[str, bytes]]:
    return [(path.name.split("-", 2)[2], path.read_bytes()) for path in arrived.files]


def prepared(server: FakeBulk) -> None:
    server.faults.files_per_type, server.faults.pages, server.faults.polls = 2, 2, 2
    server.faults.deleted = ("Patient/p9",)
    server.faults.outcomes = ({"resourceType": "OperationOutcome", "issue": []},)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    return (tmp_path / f"run-{number}" for number in range(1000))


@pytest.mark.slow
@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
async def test_killed_at_each_request(
    export: Exporting, server: FakeBulk, folders: Iterator[Path], answered: bool
) -> None:
    prepared(server)
    whole = await export.arrive()
    requests, kills = len(server.seen), 0
    for at in range(requests):
        export.folder, export.transport = next(folders), Dying(at, answered=answered)
        before = len(server.jobs)
        with pytest.raises(KilledError):
            await export.arrive(at_once=1)
        export.transport = None
        resumed = await export.arrive()
        assert contents(resumed) == contents(whole)
        assert (resumed.types, resumed.deleted) == (whole.types, whole.deleted)
        assert not list(export.folder.glob(".*"))
        kills += len(server.jobs) - before - 1
    assert kills == (1 if answered else 0)  # a kick-off answered that nobody wrote down


@pytest.mark.slow
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
async def test_killed_at_each_rename(
    export: Exporting,
    server: FakeBulk,
    folders: Iterator[Path],
    monkeypatch: pytest.MonkeyPatch,
    done: bool,
) -> None:
    prepared(server)
    whole, real, left = await export.arrive(), Path.replace, [0]

    def replace(path: Path, target: Path) -> Path:
        left[0] -= 1
        moved = target if left[0] < 0 and not done else real(path, target)
        if left[0] < 0:
            raise KilledError
        return moved

    finished = False
    while not finished:
        export.folder = next(folders)
        left[0] = int(export.folder.name.split("-")[1])
        with monkeypatch.context() as dying:
            dying.setattr(Path, "replace", replace)
            try:
                await export.arrive(at_once=1)
                finished = True
            except KilledError:
                pass
        resumed = await export.arrive()
        assert contents(resumed) == contents(whole)
        assert resumed.deleted == whole.deleted


async def test_killed_twelve_times_on_the_way(export: Exporting, server: FakeBulk) -> None:
    prepared(server)
    whole, export.folder = await export.arrive(), export.folder.with_name("again")
    jobs = len(server.jobs)
    for _ in range(12):
        export.transport = Dying(3, answered=False)
        with pytest.raises(KilledError):
            await export.arrive(at_once=1)
    export.transport = None
    assert contents(await export.arrive()) == contents(whole)
    assert len(server.jobs) == jobs + 1


async def test_a_job_that_expired_while_nobody_was_there(
    export: Exporting, server: FakeBulk
) -> None:
    prepared(server)
    export.transport = Dying(12, answered=True)
    with pytest.raises(KilledError):
        await export.arrive(at_once=1)
    assert list(export.folder.glob("output-*"))
    server.jobs["job-1"].deleted = True
    server.faults.forgets = "files"

    def remember() -> None:
        if server.seen[-1].step == "kick-off":
            server.faults.forgets = ""

    server.on_request, export.transport = remember, None
    arrived = await export.arrive()
    assert len(arrived.files) == 8
    assert {path.name.split("-")[1] for path in export.folder.glob("output-*")} == {"02"}


async def test_killed_while_an_expired_job_is_forgotten(
    export: Exporting, server: FakeBulk, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(server)
    whole = await export.arrive()
    export.folder = export.folder.with_name("again")
    real, left = Path.unlink, [2]

    def unlink(path: Path, missing_ok: bool = False) -> None:
        left[0] -= path.name.startswith("output-")
        if left[0] < 0:
            raise KilledError
        real(path, missing_ok)

    export.transport = Dying(12, answered=False)
    with pytest.raises(KilledError):
        await export.arrive(at_once=1)
    export.transport, server.faults.forgets = None, "files"
    with monkeypatch.context() as dying:
        dying.setattr(Path, "unlink", unlink)
        with pytest.raises(KilledError):
            await export.arrive()
    server.faults.forgets = ""
    server.jobs["job-2"].deleted = True
    assert contents(await export.arrive()) == contents(whole)


@pytest.mark.slow
def test_a_process_that_is_killed(server: FakeBulk, tmp_path: Path) -> None:
    prepared(server)
    server.faults.polls = 0
    came = [
        received(server, f"{server.base}/$export", tmp_path / f"{at}", at=at) for at in (0, 4, 11)
    ]
    assert came[0]
    assert len(set(came)) == 1
