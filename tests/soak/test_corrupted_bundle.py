"""A bundle with a byte that is not its own: no start; and what is served already does not change."""

import shutil
from pathlib import Path

import pytest
import uvicorn
from typer.testing import CliRunner

from cds_service.cli import app
from model import BundleError, load_bundle
from model.manifest import MANIFEST
from tests.service.loading import ROOT
from tests.service.patients import call, card_of, facts
from tests.service.running import running
from tests.soak.lasting import Lasting

pytestmark = pytest.mark.slow
FILES = [
    (bundle, path.name)
    for bundle in ("demo", "lace-hospital")
    for path in sorted((ROOT / "bundles" / bundle).iterdir())
]
MANY = 40


def copied(bundle: str, folder: Path) -> Path:
    return Path(shutil.copytree(ROOT / "bundles" / bundle, folder / bundle))


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(("bundle", "name"), [each for each in FILES if each[1] != MANIFEST])
def test_one_bit_of_any_file_stops_the_start(
    bundle: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn, "run", lambda *_, **__: pytest.fail("it was served"))
    file = copied(bundle, tmp_path) / name
    flip(file, file.stat().st_size // 2)
    result = CliRunner().invoke(app, ["serve", "--dev", "--bundle", str(file.parent)])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    said = "".join(result.output.split())
    assert f"{name}:itsSHA-256isnottheonein{MANIFEST}" in said


def test_one_bit_anywhere_is_refused_or_is_another_digest(tmp_path: Path, lasting: Lasting) -> None:
    """Of the manifest some bits make another one, which is not the one that was approved."""
    folders = {bundle: copied(bundle, tmp_path) for bundle in dict(FILES)}
    approved = {bundle: load_bundle(folder).digest for bundle, folder in folders.items()}
    for _ in lasting.rounds():
        for _ in range(MANY):
            bundle, name = lasting.chance.choice(FILES)
            file = folders[bundle] / name
            position = lasting.chance.randrange(file.stat().st_size)
            flip(file, position)
            assert digest(folders[bundle]) != approved[bundle]
            flip(file, position)
    assert {bundle: digest(folder) for bundle, folder in folders.items()} == approved


def digest(folder: Path) -> str | None:
    try:
        return load_bundle(folder).digest
    except BundleError:
        return None


@pytest.mark.parametrize("bundle", ["demo", "lace-hospital"])
async def test_what_is_served_is_what_was_loaded(bundle: str, tmp_path: Path) -> None:
    folder = copied(bundle, tmp_path)
    bundles = {"readmission-risk": folder}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with (
        running(tmp_path / "one", bundles=bundles) as before,
        running(tmp_path / "two", bundles=bundles) as after,
    ):
        first = await card_of(before, call())
        for file in folder.iterdir():
            file.write_bytes(b"")
        second = await card_of(after, call())
    assert facts(second) | {"assessment": None} == facts(first) | {"assessment": None}
    assert second["summary"] == first["summary"]
