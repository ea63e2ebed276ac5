"""The commands of docs/how-to/back-up-and-restore.md, during load: what comes back is whole, opens, and
answers as before."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from cds_service.app import create_app
from cds_service.governance.heads import HeadsFile, read_heads
from cds_service.governance.verification import Finding
from cds_service.settings import Settings
from tests.docs.page_commands import blocks, lines_of
from tests.service.asked import asked
from tests.service.conftest import POSTGRES, SQLITE
from tests.service.loading import ROOT, URL, Load
from tests.service.requests import example, now
from tests.service.stored import KEY, opened
from tests.service.tampering import against
from tests.soak.conftest import ADDRESS, GENTLE, Serving
from tests.soak.lasting import Lasting
from tests.soak.whole import PATIENCE_S, check_whole

pytestmark = [pytest.mark.slow, pytest.mark.load]
PAGE = (ROOT / "docs" / "how-to" / "back-up-and-restore.md").read_text("utf-8")
TITLES = {"sqlite": "SQLite:", "postgres": "PostgreSQL:"}
SERVER = "//readmit@db.north.example.org/"
HEADS = "heads.jsonl"


def commands(section: str, database: str) -> list[str]:
    """Those of a section of the page, for one of the databases."""
    text = PAGE.partition(f"## {section}\n")[2].partition("\n## ")[0]
    (block,) = blocks(text.partition(TITLES[database])[2], "bash")[:1]
    return lines_of(block)


@pytest.mark.parametrize("database", [SQLITE, POSTGRES])
async def test_what_is_restored_is_whole_and_answers_as_before(
    database: str, lasting: Lasting, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    service = request.getfixturevalue(f"on_{database}")
    for number in lasting.rounds():
        place = Place(tmp_path / str(number), service, database, number)
        first = await Load(service.running.base, rate=GENTLE, seconds=lasting.some(1, 10)).calls()
        async with httpx.AsyncClient(base_url=service.running.base, timeout=PATIENCE_S) as http:
            said = await answer(http)
        await place.record_heads()
        load = Load(service.running.base, rate=GENTLE, seconds=600)
        await load.more(5)
        await asyncio.to_thread(place.run, "Back up")
        await load.more(5)
        assert {call.status for call in await load.end()} == {200}
        assert "Whole." in await asyncio.to_thread(place.run, "Restore")
        await check_whole(place.restored, first)
        await place.record_heads()
        assert await place.says_what_is_lost()
        async with again(place.restored) as http:
            assert await answer(http) == said
        await check_whole(place.restored, first)


@asynccontextmanager
async def again(database: str) -> AsyncIterator[httpx.AsyncClient]:
    """A service on what was restored, with the key that was kept, under the same address."""
    kept = {"storage_keys": (KEY,), "public_url": ADDRESS}
    app = create_app(Settings(dev=True, database=database, **kept))  # type: ignore[arg-type]
    async with app.router.lifespan_context(app), asked(app) as http:
        yield http


async def answer(http: httpx.AsyncClient) -> bytes:
    """Of one stay, as sent."""
    found = await http.post(URL, json=example("copd-frequent-ed"))
    assert found.status_code == 200
    return found.content


class Place:
    """Where the page's commands run: beside the database and its recorded heads."""

    def __init__(self, folder: Path, service: Serving, database: str, number: int) -> None:
        folder.mkdir()
        self.folder, self._service, self._database = folder, service, database
        self._name = f"restored{number}"
        if database == "sqlite":
            self.restored = f"sqlite+aiosqlite:///{folder}/restored.sqlite"
            (folder / "readmit.sqlite").symlink_to(service.url.partition("///")[2])
        else:
            self.restored = service.url.replace("/postgres?", f"/{self._name}?")

    async def record_heads(self) -> None:
        """As a worker of the service does once a minute."""
        store = opened(self._service.url)
        await HeadsFile(self.folder / HEADS, store, now).write()
        await store.close()

    async def says_what_is_lost(self) -> list[Finding]:
        recorded = [head for page in read_heads(self.folder / HEADS) for head in page if head]
        store = opened(self.restored)
        found = await against(store, recorded)
        await store.close()
        return found

    def run(self, section: str) -> str:
        script = "\n".join(["set -e", *commands(section, self._database)])
        ran = subprocess.run(
            ["bash", "-c", self._here(script)],
            cwd=self.folder, env=self._environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def _here(self, script: str) -> str:
        """The page's server is this one."""
        script = re.sub(r"DATABASE restored\b", f"DATABASE {self._name}", script)
        if self._service.server is None:
            return script
        socket = self._service.url.partition("?")[2]
        for page, here in (("readmit", "postgres"), ("restored", self._name)):
            script = script.replace(f'{SERVER}{page}"', f'//postgres@/{here}?{socket}"')
        return script

    def _environment(self) -> dict[str, str]:
        server = self._service.server
        own = [str(ROOT / ".venv" / "bin"), *([str(server.bin_path)] if server else [])]
        path = os.pathsep.join([*own, os.environ["PATH"]])
        return self._service.running.environment | {"PATH": path, "PYTHONPATH": str(ROOT)}
