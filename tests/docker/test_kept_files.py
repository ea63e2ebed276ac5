"""The repository holds no secret and no patient of a data set of real ones.

`.secrets.json` lists what looks like a secret and was looked at: invented keys and tokens of tests. Generated
files are left out. A finding that is new: take the secret out, or, where it is none,
`.venv-tools/bin/detect-secrets scan --baseline .secrets.json`, and review the difference.
"""

import csv
import gzip
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.reading import ROOT, kept_files

BASELINE = ROOT / ".secrets.json"
MAY_NAME_STAYS = {"tests/parity", "tests/unit/test_splits.py"}
"""They name stays of the open data set by number, and hold no value of theirs."""


def findings(listed: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Without line numbers: these move."""
    return {
        (name, each["type"], each["hashed_secret"])
        for name, several in listed["results"].items()
        for each in several
    }


@pytest.mark.slow
def test_nothing_new_looks_like_a_secret(tools: Path) -> None:
    known = json.loads(BASELINE.read_text("utf-8"))
    [left_out] = [
        each["pattern"][0]
        for each in known["filters_used"]
        if each["path"].endswith("exclude_file")
    ]
    done = subprocess.run(
        [tools / "detect-secrets", "scan", "--no-verify", "--exclude-files", left_out],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert findings(json.loads(done.stdout)) - findings(known) == set()


def opened(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from lines


def real_ids(data_dir: Path) -> set[str]:
    """Patients and stays of the one data set that has records of real, de-identified ones."""
    folder = data_dir / "mimic-iv-demo"
    rows = csv.DictReader(opened(folder / "csv" / "hosp" / "admissions.csv.gz"))
    tables = {row[name] for row in rows for name in ("subject_id", "hadm_id")}
    resources = [
        json.loads(line)["id"]
        for path in sorted((folder / "fhir").glob("Mimic*.ndjson.gz"))
        if re.match("MimicPatient|MimicEncounter", path.name)
        for line in opened(path)
    ]
    return tables | set(resources)


@pytest.mark.data
@pytest.mark.slow
def test_no_real_patient_is_in_it(data_dir: Path) -> None:
    real = real_ids(data_dir)
    word = re.compile(r"(?<![\w-])(?:\d{8}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?![\w-])")
    found = {
        name
        for name in kept_files()
        if not any(name.startswith(each) for each in MAY_NAME_STAYS)
        and real.intersection(word.findall((ROOT / name).read_text("utf-8", errors="ignore")))
    }
    assert len(real) > 400
    assert found == set()
