"""Run `readmit check-site` and read what it wrote; raw resources to count its facts anew."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from cds_service.cli import app
from tests.service.requests import EXAMPLES

PATIENTS = EXAMPLES.parent / "patients"
WRITTEN = ("check-site.html", "check-site.json", "draft-profile.toml")
Resource = dict[str, Any]


def run(*arguments: str | Path | int) -> Result:
    return CliRunner().invoke(app, ["check-site", *map(str, arguments)])


def checked(source: Path, out: Path, *more: str | Path | int) -> dict[str, Any]:
    """The numbers of a run that must succeed."""
    result = run("--from", source, "--out", out, *more)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads((out / "check-site.json").read_text("utf-8"))
    return found


def raw(folder: Path, *names: str) -> Iterator[Resource]:
    """The resources of these files of an export, by the standard library alone."""
    for name in names:
        with gzip.open(folder / f"{name}.ndjson.gz", "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def example(name: str) -> list[Resource]:
    bundle = json.loads((PATIENTS / f"{name}.json").read_text("utf-8"))
    return [entry["resource"] for entry in bundle["entry"]]


def copies(name: str, number: int) -> Iterator[list[Resource]]:
    """One example patient as several, with ids of their own."""
    text = json.dumps(example(name))
    for each in range(number):
        yield json.loads(text.replace(name, f"copy-{each}"))


def export(folder: Path, records: Iterator[list[Resource]]) -> Path:
    folder.mkdir()
    lines = [json.dumps(each) for record in records for each in record]
    (folder / "all.ndjson").write_text("\n".join(lines), "utf-8")
    return folder


def feature(found: dict[str, Any], name: str) -> dict[str, Any]:
    row: dict[str, Any] = next(each for each in found["features"] if each["name"] == name)
    return row


def codings(concept: Resource | None) -> list[tuple[str, str]]:
    return [(each.get("system", ""), each["code"]) for each in (concept or {}).get("coding", [])]


def patient_of(resource: Resource) -> str:
    return str(resource["subject"]["reference"]).rpartition("/")[2].rpartition(":")[2]
