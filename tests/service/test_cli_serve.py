"""`readmit serve`: it starts on loopback with a verified bundle, or says why it does not."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import uvicorn
from typer.testing import CliRunner, Result

from cds_service.app import create_app
from cds_service.cli import app
from cds_service.errors import StartRefusedError
from cds_service.settings import READMISSION, Settings
from fhir_mapping.catalogue import CATALOGUE
from model.bundle import load_bundle
from tests.service.trained import trained_bundle

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "bundles" / "lace-hospital"
Started = list[dict[str, Any]]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Started:
    """How uvicorn was started; it is not."""
    calls: Started = []
    monkeypatch.setattr(uvicorn, "run", lambda served, **how: calls.append({"app": served} | how))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("READMIT_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite")
    return calls


def serve(*options: str) -> Result:
    """Under --dev; tests/security has who may call without it."""
    return CliRunner().invoke(app, ["serve", "--dev", *options])


def said(result: Result) -> str:
    """The output without the wrapping of the terminal."""
    return "".join(result.output.split())


def bundle_with(folder: Path, **members: Any) -> Path:
    """The shipped bundle with members of its manifest replaced."""
    copy = folder / "bundle"
    shutil.copytree(SHIPPED, copy)
    manifest = json.loads((copy / "manifest.json").read_bytes()) | members
    (copy / "manifest.json").write_text(json.dumps(manifest))
    return copy


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.0.0.2"])
def test_it_listens_on_loopback(host: str, started: Started) -> None:
    result = serve("--host", host, "--port", "8123")
    assert result.exit_code == 0, result.output
    assert (started[0]["host"], started[0]["port"]) == (host, 8123)
    assert not started[0]["access_log"]  # its lines would carry paths that clients choose


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "ehr.example"])  # noqa: S104
@pytest.mark.parametrize("by", ["option", "environment"])
def test_it_refuses_to_listen_beyond_loopback(
    host: str, by: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READMIT_HOST", host if by == "environment" else "127.0.0.1")
    result = serve(*(["--host", host] if by == "option" else []))
    assert result.exit_code == 2
    assert "loopback" in said(result)
    assert not started


def test_options_win_over_the_environment(
    started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READMIT_PORT", "9001")
    serve()
    serve("--port", "9002")
    assert [each["port"] for each in started] == [9001, 9002]


def test_it_prints_where_to_go(started: Started) -> None:
    words = said(serve("--port", "8123"))
    assert "http://127.0.0.1:8123/cds-services" in words
    assert "Clickhere:http://127.0.0.1:8123/" in words


def test_a_bundle_for_another_mapping_stops_the_start(tmp_path: Path, started: Started) -> None:
    result = serve("--bundle", str(bundle_with(tmp_path, mapping_digest="0" * 64)))
    assert result.exit_code == 2
    assert "anothercatalogueorothercodelists" in said(result)
    assert "Traceback" not in result.output
    assert not started


def test_a_changed_file_in_the_bundle_stops_the_start(tmp_path: Path, started: Started) -> None:
    folder = bundle_with(tmp_path)
    scores = folder / "published_scores.json"
    scores.write_bytes(scores.read_bytes().replace(b"0.437", b"0.037"))
    result = serve("--bundle", str(folder))
    assert result.exit_code == 2
    assert "published_scores.json" in said(result)
    assert not started


def test_it_starts_with_a_trained_bundle_and_one_thread_for_it(
    tmp_path: Path, started: Started
) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        result = serve("--bundle", str(trained_bundle(tmp_path / "trained")))
        assert result.exit_code == 0, result.output
        assert len(started) == 1
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_a_trained_bundle_for_another_mapping_stops_the_start(
    tmp_path: Path, started: Started
) -> None:
    folder = trained_bundle(tmp_path / "trained", mapping_digest="0" * 64)
    result = serve("--bundle", str(folder))
    assert (result.exit_code, started) == (2, [])
    assert "anothercatalogueorothercodelists" in said(result)
    assert "Installtheversion" in said(result)
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", ["weights.safetensors", "calibration.json", "sample_stays.json"])
@pytest.mark.parametrize("way", ["changed", "gone"])
def test_a_broken_trained_bundle_stops_the_start_and_names_the_file(
    name: str, way: str, tmp_path: Path, started: Started
) -> None:
    file = trained_bundle(tmp_path / "trained") / name
    if way == "gone":
        file.unlink()
    else:
        content = file.read_bytes()
        file.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    result = serve("--bundle", str(file.parent))
    assert (result.exit_code, started) == (2, [])
    assert name in said(result)
    assert "Takethebundleanew" in said(result)
    assert "Traceback" not in result.output


def test_the_bundle_that_is_served_by_default_is_a_trained_one() -> None:
    bundle = load_bundle(ROOT / Settings().bundles[READMISSION], mapping_digest=CATALOGUE.digest)
    assert bundle.trained is not None
    assert "Not for clinical use" in bundle.manifest.notice


def test_a_missing_bundle_stops_the_start(tmp_path: Path, started: Started) -> None:
    result = serve("--bundle", str(tmp_path / "nowhere"))
    assert (result.exit_code, started) == (2, [])
    assert "nowhere" in said(result)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("READMIT_BASE_RATE", "14"),
        ("READMIT_BASE_RATE", "much"),
        ("READMIT_PORT", "0"),
        ("READMIT_MAX_BODY_BYTES", "1"),
        ("READMIT_LOG_LEVEL", "loud"),
    ],
)
def test_an_unusable_setting_is_named(
    name: str, value: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = serve()
    assert (result.exit_code, started) == (2, [])
    assert name in said(result)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("READMIT_PROFILE", "atlantis", "siteprofileatlantis"),
        ("READMIT_DATABASE", "nonsense", "READMIT_DATABASE"),
    ],
)
def test_a_profile_or_database_that_is_not_there_stops_the_start(
    name: str, value: str, words: str, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    result = serve()
    assert (result.exit_code, started) == (2, [])
    assert words in said(result)


def test_the_factory_itself_refuses_another_mapping(tmp_path: Path) -> None:
    folder = bundle_with(tmp_path, mapping_digest="0" * 64)
    with pytest.raises(StartRefusedError, match="made for another catalogue"):
        create_app(Settings(dev=True, bundles={READMISSION: folder}))


def test_a_bundle_of_the_time_critical_task_is_not_served(tmp_path: Path) -> None:
    bundle = trained_bundle(tmp_path / "bundle", task="critical_outcome", hooks=())
    with pytest.raises(StartRefusedError, match=r"critical_outcome, which is off"):
        create_app(
            Settings(
                dev=True,
                bundles={READMISSION: bundle},
                database=f"sqlite+aiosqlite:///{tmp_path}/a.sqlite",
            )
        )
