"""`readmit serve --workers N`: what uvicorn is told, how the settings travel, what stays behind."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import uvicorn
from typer.testing import CliRunner

from cds_service.cli import app, settings_from
from cds_service.errors import StartRefusedError
from cds_service.serving import check, environment_of
from cds_service.settings import Settings
from tests.service.operating import POINTS
from tests.service.stored import KEY

ROOT = Path(__file__).resolve().parents[2]
WORKERS = ("serve", "--workers", "2", "--port", "8123", "--dev", "--bundle")
OPTIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a word": {"host": "::1"},
    "numbers": {"port": 8123, "workers": 3, "base_rate": 0.125},
    "a switch": {"dev": True},
    "paths": {"examples": Path("else where"), "tenants": Path("tenants.toml")},
    "bundles": {"bundles": {"readmission-risk": Path("a"), "other": Path("b c")}},
    "text like JSON": {"database": "[sqlite]", "profile": "null"},
}


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path) -> Iterator[None]:
    """What a start writes into the environment ends with the test."""
    store = f"sqlite+aiosqlite:///{tmp_path}/test.sqlite"
    with patch.dict(os.environ, {"READMIT_DATABASE": store}):
        yield


@pytest.mark.parametrize("case", OPTIONS)
def test_settings_survive_the_way_through_the_environment(case: str) -> None:
    settings = Settings(**OPTIONS[case])
    os.environ |= environment_of(settings)
    assert Settings() == settings


def test_an_option_wins_over_the_environment_in_the_workers_too() -> None:
    os.environ["READMIT_PORT"] = "9001"
    os.environ |= environment_of(settings_from({"port": 9002}))
    assert Settings().port == 9002


def test_a_secret_is_not_written_anew() -> None:
    os.environ["READMIT_STORAGE_KEYS"] = '["first","second"]'
    settings = Settings()
    assert [key.get_secret_value() for key in settings.storage_keys] == ["first", "second"]
    assert "READMIT_STORAGE_KEYS" not in environment_of(settings)


@pytest.mark.slow
def test_several_workers_get_an_import_string_and_a_folder_to_count_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[dict[str, Any]] = []

    def run(served: str, **how: Any) -> None:
        counted = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        seen.append({"app": served, "counted": counted, "there": counted.is_dir()} | how)

    monkeypatch.setattr(uvicorn, "run", run)
    result = CliRunner().invoke(app, [*WORKERS, str(ROOT / "bundles" / "lace-hospital")])
    assert result.exit_code == 0, result.output
    assert result.output.count("Discovery:") == 1
    (how,) = seen
    assert (how["app"], how["factory"]) == ("cds_service.serving:app_from_environment", True)
    assert (how["workers"], how["port"]) == (2, 8123)
    assert how["timeout_graceful_shutdown"] == 30
    assert not how["access_log"]
    assert how["there"]
    assert not how["counted"].exists()


@pytest.mark.slow
def test_a_bundle_that_is_refused_is_refused_once_before_any_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(uvicorn, "run", lambda *_, **__: pytest.fail("it was served"))
    result = CliRunner().invoke(app, [*WORKERS, str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "".join(result.output.split()).count("Readmitdoesnotstart:") == 1
    assert "Traceback" not in result.output


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_workers_that_is_none_is_refused(number: str) -> None:
    os.environ["READMIT_WORKERS"] = number
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 2
    assert "READMIT_WORKERS" in "".join(result.output.split())


def guarded(folder: Path, **settings: Any) -> Settings:
    tenants = folder / "tenants.toml"
    lines = ('name = "north"', 'iss = "https://e.example"', 'jku = "https://e.example/keys"')
    tenants.write_text("[[tenant]]\n" + "\n".join(lines))
    return Settings(
        tenants=tenants,
        public_url="https://readmit.example",
        storage_keys=(KEY,),  # type: ignore[arg-type]
        bundles={"points": POINTS},
        **settings,
    )


def test_an_address_of_another_machine_is_not_called_a_taken_port(tmp_path: Path) -> None:
    with pytest.raises(StartRefusedError, match="192\\.0\\.2\\.7") as refused:
        check(guarded(tmp_path, host="192.0.2.7"))
    assert "taken" not in str(refused.value)


def test_a_taken_port_is_called_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(StartRefusedError, match=f"port {port} is taken"):
            check(guarded(tmp_path, port=port))
