"""Heads written elsewhere: one line for each change; a failure is logged and stops nothing."""

import json
from pathlib import Path

import anyio
import pytest

from cds_service.governance.heads import HeadsFile, heads_kept, read_heads
from cds_service.observability import configure_logging
from cds_service.storage.chain import Head
from cds_service.storage.store import Store
from tests.service.requests import example, now
from tests.service.running import URL, running
from tests.service.stored import add
from tests.service.tampering import execute


def lines(path: Path) -> list[Head | None]:
    return [head for page in read_heads(path) for head in page]


async def test_only_heads_that_changed_are_written(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    file = HeadsFile(path, store, now)
    await file.write()
    assert not path.exists()
    await add(store, "north")
    await add(store, "south")
    await file.write()
    await file.write()
    await add(store, "north")
    await file.write()
    written = lines(path)
    assert [(h.tenant, h.number) for h in written if h] == [
        ("north", 1),
        ("south", 1),
        ("north", 2),
    ]
    assert written[1:] == [*reversed(await store.heads())]
    assert json.loads(path.read_text().splitlines()[0])["at"] == now().isoformat()


async def test_two_workers_append_to_one_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    await add(store)
    for _ in range(2):
        await HeadsFile(path, store, now).write()
    assert lines(path) == [*await store.heads()] * 2


async def test_the_service_leaves_its_last_heads_when_it_stops(tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    async with running(tmp_path, audit_heads=path) as http:
        await http.post(URL, json=example("oncology"))
        assert not path.exists()
    assert [(head.tenant, head.number) for head in lines(path) if head] == [("dev", 1)]


async def test_heads_are_written_while_it_runs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.governance.heads._INTERVAL_S", 0.0)
    path = tmp_path / "heads.jsonl"
    async with heads_kept(path, store, now):
        for number in (1, 2):
            await add(store)
            with anyio.fail_after(30):
                while not path.exists() or lines(path)[-1:] != await store.heads():
                    await anyio.sleep(0)
            assert [head.number for head in lines(path) if head] == list(range(1, number + 1))


async def test_without_the_setting_nothing_is_written(store: Store, tmp_path: Path) -> None:
    before = sorted(each.name for each in tmp_path.iterdir())
    async with heads_kept(None, store, now):
        await add(store)
    after = sorted(each.name for each in tmp_path.iterdir())
    assert [name for name in after if name not in before and "sqlite" not in name] == []


async def test_a_file_that_cannot_be_written_is_logged_and_stops_nothing(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info")
    await add(store)
    full = HeadsFile(Path("/dev/full"), store, now)
    nowhere = HeadsFile(tmp_path / "nowhere" / "heads.jsonl", store, now)
    await full.write()
    await nowhere.write()
    said = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["error"]) for line in said] == [
        ("heads_not_written", "OSError"),
        ("heads_not_written", "FileNotFoundError"),
    ]
    (tmp_path / "nowhere").mkdir()
    await nowhere.write()
    assert lines(tmp_path / "nowhere" / "heads.jsonl") == await store.heads()


async def test_a_database_that_cannot_be_read_stops_nothing(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logging("info")
    await execute(store, "DROP TABLE audit_head")
    await HeadsFile(tmp_path / "heads.jsonl", store, now).write()
    assert "StoreUnavailableError" in capfd.readouterr().err


def test_a_torn_line_is_no_head(tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    whole = json.dumps({"tenant": "north", "number": 1, "hash": "a"})
    path.write_text(f'{whole}\n{{"tenant": "north", "numb\n[]\nnull\n{whole}')
    assert lines(path) == [Head("north", 1, "a"), None, None, None, Head("north", 1, "a")]
