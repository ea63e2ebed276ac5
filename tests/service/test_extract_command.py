"""`readmit extract`: an export in, one row per finished stay out; what is wrong is said, not lost."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars
import pytest
from typer.testing import CliRunner, Result

from cds_service.cli import app
from fhir_mapping.catalogue import CATALOGUE
from tests.service.requests import EXAMPLES

PATIENTS = EXAMPLES.parent / "patients"
FIXED = ["patient", "encounter", "prediction_time", "eligible", "coverage", "profile"]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["extract", *map(str, arguments)])


def resources(name: str) -> list[dict[str, Any]]:
    bundle = json.loads((PATIENTS / f"{name}.json").read_text("utf-8"))
    return [entry["resource"] for entry in bundle["entry"]]


def ndjson(name: str) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in resources(name)) + b"\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "all.ndjson.gz").write_bytes(gzip.compress(ndjson("margaret-heart-failure")))
    return folder


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_one_row_for_each_finished_stay(folder: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"rows.{suffix}"
    assert run("--fhir", folder, "--out", out).exit_code == 0
    rows = polars.read_csv(out) if suffix == "csv" else polars.read_parquet(out)
    assert rows.columns == [*FIXED, *CATALOGUE.names]
    finished = [
        each["id"]
        for each in resources("margaret-heart-failure")
        if each["resourceType"] == "Encounter"
        and each["class"]["code"] == "IMP"
        and each["status"] == "finished"
    ]
    assert sorted(rows["encounter"]) == sorted(finished)
    assert set(rows["profile"]) == {"us_core"}
    assert rows["eligible"].all()


def test_an_export_without_finished_stays_still_has_its_columns(tmp_path: Path) -> None:
    out, evidence = tmp_path / "rows.csv", tmp_path / "evidence.parquet"
    source = PATIENTS / "in-progress.json"
    result = run("--fhir", source, "--out", out, "--evidence", evidence)
    assert result.exit_code == 0
    assert polars.read_csv(out).columns == [*FIXED, *CATALOGUE.names]
    assert polars.read_parquet(evidence).columns[:3] == ["patient", "encounter", "feature"]


def test_missing_is_empty(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    (folder / "all.ndjson.gz").write_bytes(gzip.compress(ndjson("no-labs")))
    run("--fhir", folder, "--out", out)
    (row,) = polars.read_csv(out).rows(named=True)
    assert row["hemoglobin_last"] is None
    assert row["coverage"] == 102 - 1  # no MedicationDispense in a folder that holds none: not read


def test_the_evidence_explains_every_value(folder: Path, tmp_path: Path) -> None:
    out, evidence = tmp_path / "rows.parquet", tmp_path / "evidence.csv"
    assert run("--fhir", folder, "--out", out, "--evidence", evidence).exit_code == 0
    rows, proofs = polars.read_parquet(out), polars.read_csv(evidence)
    for row in rows.rows(named=True):
        known = {name for name in CATALOGUE.names if row[name] is not None}
        of_stay = proofs.filter(polars.col("encounter") == row["encounter"])
        assert set(of_stay["feature"]) == known


def test_bundles_and_a_single_file_are_exports_too(tmp_path: Path) -> None:
    whole, single = tmp_path / "whole.csv", tmp_path / "single.csv"
    assert run("--fhir", PATIENTS, "--out", whole).exit_code == 0
    assert run("--fhir", PATIENTS / "newborn.json", "--out", single).exit_code == 0
    assert len(set(polars.read_csv(whole)["patient"])) == len(list(PATIENTS.glob("*.json"))) - 1
    assert not polars.read_csv(single)["eligible"].any()


def test_bad_lines_are_counted_and_the_others_live(folder: Path, tmp_path: Path) -> None:
    lines = b'{"resourceType":"Observation","id":7}\nnot json\n{"resourceType":"Device"}\n'
    (folder / "bad.ndjson").write_bytes(lines)
    result = run("--fhir", folder, "--out", tmp_path / "rows.csv")
    assert result.exit_code == 0
    assert "malformed_resource: Observation" in result.output
    assert "malformed_resource: unknown" in result.output
    (folder / "bad.ndjson").unlink()
    clean = run("--fhir", folder, "--out", tmp_path / "clean.csv")
    assert "malformed" not in clean.output
    assert (tmp_path / "clean.csv").read_text() == (tmp_path / "rows.csv").read_text()


def test_a_patient_without_a_patient_resource_is_counted(folder: Path, tmp_path: Path) -> None:
    stray = {
        "resourceType": "Condition",
        "id": "stray",
        "subject": {"reference": "Patient/nobody"},
    }
    (folder / "stray.ndjson").write_text(json.dumps(stray))
    result = run("--fhir", folder, "--out", tmp_path / "rows.csv")
    assert "patient_resource_missing: Patient" in result.output
    assert "nobody" not in result.output


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "no FHIR file"),
        (lambda folder: (folder / "all.ndjson.gz").unlink(), "no FHIR file"),
        (lambda folder: (folder / "all.ndjson.gz").write_bytes(b"\x1f\x8bxx"), "cannot be read"),
        (
            lambda folder: (folder / "all.ndjson.gz").write_bytes(gzip.compress(b"\n")),
            "no patient's resources",
        ),
    ],
    ids=["no folder", "empty folder", "broken gzip", "no resource"],
)
def test_an_export_that_cannot_be_read_is_named(
    folder: Path, tmp_path: Path, damage: Any, said: str
) -> None:
    damage(folder)
    former = tmp_path / "rows.csv"
    former.write_text("as it was")
    result = run("--fhir", folder, "--out", former)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
    assert former.read_text() == "as it was"


def test_an_unknown_suffix_or_profile_is_refused_before_anything_is_read(
    folder: Path, tmp_path: Path
) -> None:
    suffix = run("--fhir", folder, "--out", tmp_path / "rows.txt")
    profile = run("--fhir", folder, "--out", tmp_path / "rows.csv", "--profile", "nowhere")
    assert (suffix.exit_code, profile.exit_code) == (2, 2)
    assert ".csv or .parquet" in suffix.output
    assert "us_core" in profile.output
    assert not (tmp_path / "rows.csv").exists()


def test_a_profile_that_is_set_wins_over_the_data(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    assert run("--fhir", folder, "--out", out, "--profile", "synthea").exit_code == 0
    assert set(polars.read_csv(out)["profile"]) == {"synthea"}


def test_a_byte_order_mark_and_a_corrupt_body_are_told_apart(tmp_path: Path) -> None:
    marked = tmp_path / "marked.ndjson"
    marked.write_bytes(b"\xef\xbb\xbf" + ndjson("newborn"))
    assert run("--fhir", marked, "--out", tmp_path / "rows.csv").exit_code == 0
    corrupt = tmp_path / "corrupt.ndjson.gz"
    packed = bytearray(gzip.compress(ndjson("newborn")))
    packed[40:80] = bytes(40)
    corrupt.write_bytes(packed)
    result = run("--fhir", corrupt, "--out", tmp_path / "other.csv")
    assert result.exit_code == 2
    assert "cannot be read" in result.output.replace("│", " ")


@pytest.mark.parametrize(
    ("out", "evidence", "said"),
    [("nowhere/rows.csv", None, "no such folder"), ("rows.csv", "rows.csv", "the same file")],
    ids=["no folder", "one file for both"],
)
def test_paths_are_checked_before_the_work(
    folder: Path, tmp_path: Path, out: str, evidence: str | None, said: str
) -> None:
    more = ["--evidence", tmp_path / evidence] if evidence else []
    result = run("--fhir", folder, "--out", tmp_path / out, *more)
    assert result.exit_code == 2
    assert said in " ".join(result.output.replace("│", " ").split())
