"""The export before other projects' validators: every resource is FHIR R4 to them as well."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.service.operating import Operator, filled, operator
from tests.service.stored import add, comment, opened

pytestmark = pytest.mark.slow


@pytest.fixture
def resources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """One file for each kind of resource that an export has, in a folder of its own."""
    asyncio.run(filled(tmp_path, "oncology", "newborn"))
    asyncio.run(more(tmp_path))
    shell = operator(tmp_path, monkeypatch)
    uuid = shell.uuids()["oncology"]
    assert shell.run("purge", "--tenant", "dev", "--assessment", uuid).exit_code == 0
    return list(written(shell, tmp_path))


async def more(folder: Path) -> None:
    """What the two calls do not have: a network's probability, odd ids, feedback."""
    store = opened(f"sqlite+aiosqlite:///{folder}/test.sqlite")
    row = await add(store, "dev", patient_id="p 1|ä", encounter_id=None, user_id="x y")
    await add(store, "dev")
    await comment(store, row)
    await store.close()


def written(shell: Operator, folder: Path) -> list[Path]:
    out = folder / "audit.ndjson"
    assert shell.run("audit", "export", "--out", str(out)).exit_code == 0
    apart = folder / "resources"
    apart.mkdir()
    files = []
    for number, line in enumerate(out.read_text().splitlines()):
        files.append(apart / f"{number}-{json.loads(line)['resourceType']}.json")
        files[-1].write_text(line)
    return files


def fhirkit(peers: Path, files: list[Path]) -> subprocess.CompletedProcess[str]:
    command = [peers / "fhirkit", "validate", *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def pyrofile(peers: Path, files: list[Path]) -> subprocess.CompletedProcess[str]:
    """It leaves a report where it runs: beside the folder that it reads."""
    folder = files[0].parent
    command = [peers / "pyrofile", "folder", folder]
    return subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("validate", [fhirkit, pyrofile])
def test_another_validator_finds_nothing_wrong(
    validate: Callable[..., Any], resources: list[Path], peers: Path
) -> None:
    assert len(resources) == 9
    done = validate(peers, resources)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("validate", [fhirkit, pyrofile])
def test_it_would_find_something(
    validate: Callable[..., Any], resources: list[Path], peers: Path
) -> None:
    event = json.loads(resources[0].read_text())
    del event["recorded"], event["agent"]
    resources[0].write_text(json.dumps(event))
    assert validate(peers, resources).returncode != 0
