"""What the page on scheduling tells cron and Kubernetes to run is a command that there is."""

import re
import shlex
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from cds_service.cli import app
from cds_service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "schedule-a-batch.md").read_text("utf-8")


def manifest() -> dict[str, Any]:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(block)
    return found


def options(words: list[str]) -> set[str]:
    return {word.partition("=")[0] for word in words if word.startswith("--")}


def test_every_option_is_one_of_the_command() -> None:
    (cron,) = re.findall(r"readmit score (.*)", PAGE)
    (container,) = pod()["containers"]
    told = CliRunner().invoke(app, ["score", "--help"], env={"COLUMNS": "200"}).output
    known = set(re.findall(r"--[a-z-]+", told))
    for words in (shlex.split(cron), container["args"]):
        assert len(options(words)) > 4
        assert options(words) <= known


def pod() -> dict[str, Any]:
    found: dict[str, Any] = manifest()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return found


def test_no_two_runs_at_once_and_each_folder_outlives_its_pod() -> None:
    assert manifest()["spec"]["concurrencyPolicy"] == "Forbid"
    (container,) = pod()["containers"]
    volumes = {each["name"] for each in pod()["volumes"]}
    assert {each["name"] for each in container["volumeMounts"]} == volumes
    (run,) = [each.partition("=")[2] for each in container["args"] if each.startswith("--run=")]
    kept = [each["mountPath"] for each in container["volumeMounts"] if "readOnly" not in each]
    assert [path for path in kept if run.startswith(path)]


def test_every_setting_is_there() -> None:
    named = {name.lower() for name in re.findall(r"READMIT_([A-Z_]+)", PAGE)}
    assert len(named) > 3
    assert named <= set(Settings.model_fields)
