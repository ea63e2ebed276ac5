"""The shipped example patients: fresh, valid FHIR R4B, complete hook requests."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from fhir_mapping.prefetch import PREFETCH

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
REQUESTS = sorted((EXAMPLES / "requests").glob("*.json"))


def test_examples_are_fresh_and_valid() -> None:
    check = [sys.executable, str(EXAMPLES / "generate.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_request_fills_every_prefetch_key(path: Path) -> None:
    request = json.loads(path.read_bytes())
    UUID(request["hookInstance"])
    assert set(request["prefetch"]) == {template.key for template in PREFETCH}
    assert request["prefetch"]["patient"]["id"] == request["context"]["patientId"]
    assert request["prefetch"]["encounter"]["id"] == request["context"]["encounterId"]


@pytest.mark.parametrize("path", REQUESTS, ids=lambda path: path.stem)
def test_searches_answer_as_servers_do(path: Path) -> None:
    bundles = [
        b
        for b in json.loads(path.read_bytes())["prefetch"].values()
        if b.get("type") == "searchset"
    ]
    for bundle in bundles:
        modes = [entry["search"]["mode"] for entry in bundle.get("entry", [])]
        assert bundle["total"] == modes.count("match")
        assert set(modes) <= {"match", "include"}
        assert bundle.get("entry") != []
