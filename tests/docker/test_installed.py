"""The files that .dockerignore lets in, laid out and installed as docker/Dockerfile says, are enough to
serve: from a tree that cannot be written to, by a user who is not root. Libraries come from this
environment, so that torch is not fetched again; there is no container and no base image.
"""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.docker.reading import ROOT, copied, environment, kept_files, let_in

pytestmark = pytest.mark.slow

NOBODY = 10001
_DROP = [
    "--inh-caps",
    "-all,+dac_read_search",
    "--ambient-caps",
    "+dac_read_search",
    "--no-new-privs",
]
"""Reading stays allowed: this environment may lie in a folder that only root may enter."""


class Image(NamedTuple):
    """Where the parts of the image lie here."""

    commands: Path
    work: Path
    volume: Path


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        top.chmod(0o755)  # pytest's own folders are closed to other users
        build, work, volume = (top / name for name in ("build", "srv", "volume"))
        for stage, place in enumerate((build, work)):
            lay_out(stage, place)
        commands = install(build, top / "opt")
        unwritable(work, top / "opt")
        volume.mkdir()
        if os.getuid() == 0:
            os.chown(volume, NOBODY, NOBODY)
        yield Image(commands, work, volume)
        unwritable(top, bits=0o755)


def unwritable(*trees: Path, bits: int = 0o555) -> None:
    for tree in trees:
        for path in (tree, *tree.rglob("*")):
            if not path.is_symlink():
                path.chmod(bits)


def lay_out(stage: int, folder: Path) -> None:
    """What the COPY lines of a stage take, of what is let in."""
    into = [name for name in kept_files() if let_in(name)]
    for sources, target in copied("Dockerfile", stage):
        for source in sources:
            beneath = [name for name in into if f"{name}/".startswith(f"{source}/")]
            for name in beneath:
                here = Path(name).relative_to(source).as_posix()
                to = folder / target / (here if here != "." else Path(name).name)
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, to)


def install(source: Path, place: Path) -> Path:
    """A wheel of the copied files, in an environment of its own that sees the libraries of this one."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-index", "--no-deps"]
    wheels = place.with_name("wheels")
    call([*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", wheels, source])
    call([sys.executable, "-m", "venv", "--without-pip", place])
    python = place / "bin" / "python"
    [wheel] = wheels.iterdir()
    call([*pip, "--python", python, "install", *offline, wheel])
    [libraries] = (place / "lib").glob("python*/site-packages")
    (libraries / "here.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return place / "bin"


def call(command: list[str | Path]) -> None:
    subprocess.run(command, check=True)


def inside(image: Image, *arguments: str, **settings: str) -> subprocess.Popen[str]:
    """A command of the image, as its user, with its environment."""
    told = environment("Dockerfile", 1) | {"READMIT_HOST": "127.0.0.1"} | settings
    told["PATH"] = f"{image.commands}:/usr/bin:/bin"
    told["READMIT_DATABASE"] = f"sqlite+aiosqlite:///{image.volume}/readmit.sqlite"
    command = [str(image.commands / arguments[0]), *arguments[1:]]
    if os.getuid() == 0:
        own = ["--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
        command = ["setpriv", *own, *_DROP, "--", *command]
    return subprocess.Popen(
        command,
        cwd=image.work,
        env=told,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def said(image: Image, *arguments: str, **settings: str) -> tuple[int, str]:
    process = inside(image, *arguments, **settings)
    text, _ = process.communicate(timeout=120)
    return process.returncode, text


@contextmanager
def serving(image: Image, *options: str) -> Iterator[str]:
    """The service under --dev until the block is left; then it has to end by itself, with status 0."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    process = inside(image, "readmit", "serve", "--dev", *options, READMIT_PORT=port)
    try:
        healthy, _ = said(image, "python", "health.py", "--patience", "90", READMIT_PORT=port)
        if healthy == 0:
            yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        text, _ = process.communicate(timeout=60)
    assert (healthy, process.returncode) == (0, 0), text


def test_the_code_is_the_copied_one_and_nobody_may_change_it(image: Image) -> None:
    tell = "import cds_service, os; print(cds_service.__file__, os.getuid())"
    status, text = said(image, "python", "-c", tell)
    place, user = text.split()
    assert status == 0
    assert Path(place).is_relative_to(image.commands.parent)
    assert user == str(NOBODY if os.getuid() == 0 else os.getuid())
    status, text = said(image, "python", "-c", f"open({str(Path(place))!r}, 'a')")
    assert (status, "PermissionError" in text) == (1, True)


def test_training_is_not_there(image: Image) -> None:
    assert said(image, "python", "-c", "import training")[1].endswith(
        "No module named 'training'\n"
    )


def test_a_service_that_would_trust_nobody_does_not_start(image: Image) -> None:
    status, text = said(image, "readmit", "serve", READMIT_HOST="0.0.0.0")  # noqa: S104
    assert (status, "nobody is trusted" in text) == (2, True)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_it_serves(image: Image, workers: str) -> None:
    request = (image.work / "examples" / "requests" / "margaret-heart-failure.json").read_bytes()
    with serving(image, "--workers", workers) as address, httpx.Client(base_url=address) as http:
        assert http.get("/health/live").json() == {"status": "live"}
        assert http.get("/health/ready").json() == {"status": "ready"}
        assert "readmit_requests_total" in http.get("/metrics").text
        json = {"Content-Type": "application/json"}
        answer = http.post("/cds-services/readmission-risk", content=request, headers=json)
        assert "Estimated 30-day readmission risk" in answer.json()["cards"][0]["summary"]


def test_nothing_is_written_beside_the_volume(image: Image) -> None:
    before = sorted(image.work.rglob("*"))
    with serving(image):
        pass
    assert sorted(image.work.rglob("*")) == before
    assert {path.name.partition("-")[0] for path in image.volume.iterdir()} == {"readmit.sqlite"}
