"""The Dockerfiles: what goes in, what stays out, who runs it. Building them is shown in test_installed.py
as far as it can be without a container."""

import http.server
import re
import threading
import tomllib
from collections.abc import Iterator

import pytest
import torch

from cds_service.settings import Settings
from docker.check_torch import build, main
from docker.health import answers
from docker.requirements import requirements
from tests.docker.reading import ROOT, copied, environment, instructions, kept_files, let_in

DOCKERFILES = ("Dockerfile", "Dockerfile.cuda")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
STAYS_OUT = (
    ".git/config",
    ".env",
    "docker/.env",
    "docker/compose/example.env",
    "configs/site.local.toml",
    "configs/clients.jwks.json",
    "examples/key.pem",
    "bundles/demo/readmit.sqlite-wal",
    "cds_service/__pycache__/app.cpython-311.pyc",
    "cds_service/.env.local",
    "examples/runs/2026-11-01/aside.ndjson",
    "readmit_cds.egg-info/PKG-INFO",
    "runs/demo/cohort/train.parquet",
    "tests/conftest.py",
    "dist/readmit.cdx.json",
    "docs/results/demo/report.json",
    "bench/hook.py",
    "bundles/site/weights.safetensors",
    ".venv/bin/python",
)


def words(dockerfile: str, word: str, stage: int = 1) -> list[str]:
    return [
        each.rest for each in instructions(dockerfile) if (each.stage, each.word) == (stage, word)
    ]


@pytest.mark.parametrize("path", STAYS_OUT)
def test_what_no_image_may_hold_stays_out(path: str) -> None:
    assert not let_in(path)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
@pytest.mark.parametrize("stage", [0, 1])
def test_all_that_is_copied_is_there_and_let_in(dockerfile: str, stage: int) -> None:
    into = [name for name in kept_files() if let_in(name)]
    sources = [each for several, _ in copied(dockerfile, stage) for each in several]
    assert sources
    for source in sources:
        assert any(name == source or name.startswith(f"{source}/") for name in into), source


def test_nothing_is_let_in_that_no_image_takes() -> None:
    taken = {
        source
        for name in DOCKERFILES
        for stage in (0, 1)
        for several, _ in copied(name, stage)
        for source in several
    }
    idle = [
        name
        for name in kept_files()
        if let_in(name) and not any(f"{name}/".startswith(f"{each}/") for each in taken)
    ]
    assert idle == []


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_it_runs_as_nobody_in_particular(dockerfile: str) -> None:
    assert words(dockerfile, "USER") == ["10001:10001"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_both_stages_have_one_base_of_a_named_version(dockerfile: str) -> None:
    [base] = [each.rest for each in instructions(dockerfile) if each.stage < 0]
    assert re.fullmatch(r"PYTHON=3\.11\.\d+-slim-\w+", base)
    froms = [each.rest for each in instructions(dockerfile) if each.word == "FROM"]
    assert froms == ["python:${PYTHON} AS build", "python:${PYTHON}"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_it_says_the_version_of_the_project(dockerfile: str) -> None:
    assert f"VERSION={PROJECT['version']}" in words(dockerfile, "ARG")


def test_the_service_gets_no_training_and_no_tests() -> None:
    sources = {
        each for stage in (0, 1) for several, _ in copied("Dockerfile", stage) for each in several
    }
    assert not sources & {"training", "tests", "bench", "docs"}


def test_the_settings_of_the_image_are_settings_and_writing_stays_in_its_volume(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = environment("Dockerfile", 1)
    for name, value in told.items():
        if name.startswith("READMIT_"):
            monkeypatch.setenv(name, value)
    settings = Settings()
    assert {name.removeprefix("READMIT_").lower() for name in told if "READMIT_" in name} <= set(
        Settings.model_fields
    )
    [volume] = words("Dockerfile", "VOLUME")
    assert settings.database.endswith("/" + volume.strip('[]"') + "/readmit.sqlite")
    assert words("Dockerfile", "EXPOSE") == [str(settings.port)]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_commands_are_ours(dockerfile: str) -> None:
    [entry] = words(dockerfile, "ENTRYPOINT")
    assert entry.strip('[]"') in PROJECT["scripts"]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_extras_that_are_installed_exist(dockerfile: str) -> None:
    [asked] = re.findall(r"requirements\.py ([\w ]+) >", " ".join(words(dockerfile, "RUN", 0)))
    wanted = requirements(ROOT / "pyproject.toml", asked.split())
    assert set(PROJECT["dependencies"]) < set(wanted)
    assert "asyncpg" in wanted


def test_the_bill_of_materials_and_the_image_have_the_same_extras() -> None:
    from docker.closure import EXTRAS

    assert f"requirements.py {' '.join(EXTRAS)} >" in " ".join(words("Dockerfile", "RUN", 0))


def test_the_build_of_torch_is_told_without_importing_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = "cuda" if torch.version.cuda else "cpu"
    other = {"cpu": "cuda", "cuda": "cpu"}[here]
    assert build() == here
    assert main(here) == 0
    assert main(other) == 1
    assert f"{here} build of torch, not {other}" in capsys.readouterr().out


class Half(http.server.BaseHTTPRequestHandler):
    """Well at one path, ill at all others."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Half) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_health_is_200_and_nothing_else(port: int) -> None:
    assert answers(port, "/health/live")
    assert not answers(port, "/health/ready")


def test_nobody_there_is_not_healthy(port: int) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Half) as gone:
        closed = gone.server_port
    assert not answers(closed, "/health/live")
