"""From another project's FHIR server and back into it, with SMART Backend Services: sekmet-fhir.

Its limits, as of 0.1.1: its statement says nothing of RiskAssessment, which it can neither search by
identifier nor create on a condition; an id of the client's it takes. What was deleted is 404 to it.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars
import pytest
from typer.testing import CliRunner, Result

from cds_service.batch.lines import lines_of
from cds_service.cli import app
from cds_service.smart.app_keys import new_app_keys, read_app_keys
from fhir_mapping.exports import export_files
from fhir_mapping.subjects import subject_of_malformed
from tests.conftest import ROOT
from tests.sekmet import Sekmet, resolved, serving
from tests.service.stored import KEY
from tests.service.test_export_peers import fhirkit, pyrofile

pytestmark = [pytest.mark.slow, pytest.mark.data]
WRITTEN = ("Device", "RiskAssessment", "Provenance")
WRITE = " ".join(f"system/{kind}.cu" for kind in WRITTEN)
READ = " ".join(f"system/{kind}.rs" for kind in WRITTEN)
OTHERS = 8

Score = Callable[..., Result]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("keys") / "app-keys.json"
    path.write_text(new_app_keys())
    return path


@pytest.fixture(scope="module")
def export(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, of whoever was ever in hospital and of some more: the others have nothing to score,
    and the server takes them in slowly."""
    files = export_files(data_dir / "synthea-bulk100" / "ndjson")
    folder = tmp_path_factory.mktemp("export")
    lines = {file: [line.raw for line in lines_of(file) if line.raw] for file in files}
    everyone = [line for each in lines.values() for line in each]
    in_hospital = {subject_of_malformed(line) for line in everyone if b'"IMP"' in line}
    others = sorted({subject_of_malformed(line) for line in everyone} - in_hospital)[:OTHERS]
    for file, found in lines.items():
        kept = (line for line in found if subject_of_malformed(line) in {*in_hospital, *others})
        (folder / file.name.removesuffix(".gz")).write_bytes(b"\n".join(kept) + b"\n")
    return folder


@pytest.fixture(scope="module")
def sekmet(
    peers: Path, keys: Path, export: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sekmet]:
    """With the whole export in it and nothing else: a type that it had would be read."""
    public = json.loads(read_app_keys(keys).public())
    client = {"client_id": "readmit-batch", "jwks": public, "scopes": "system/*.cruds"}
    lines = [line.raw for file in export_files(export) for line in lines_of(file) if line.raw]
    folder = tmp_path_factory.mktemp("sekmet")
    with serving(peers, folder, [client], token_lifetime_s=5) as empty:
        yield empty.load(resolved(lines))


@pytest.fixture
def score(sekmet: Sekmet, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    """`scope`: what tokens are asked for, beside what writing needs."""
    monkeypatch.chdir(ROOT)
    for name, value in {
        "BUNDLES": '{"readmission-risk": "bundles/demo"}',
        "DATABASE": f"sqlite+aiosqlite:///{tmp_path}/test.sqlite",
        "TENANTS": str(tmp_path / "tenants.toml"),
        "PUBLIC_URL": "https://readmit.example",
        "APP_KEYS": str(keys),
        "STORAGE_KEYS": f'["{KEY}"]',
    }.items():
        monkeypatch.setenv(f"READMIT_{name}", value)

    def run(*words: object, scope: str = "system/*.rs") -> Result:
        (tmp_path / "tenants.toml").write_text(
            '[[tenant]]\nname = "north"\niss = "https://n.example"\n'
            f'jku = "https://n.example/jwks"\nfhir_servers = ["{sekmet.base}"]\n'
            f'[tenant.backend]\nclient_id = "readmit-batch"\nscope = "{scope} {READ} {WRITE}"\n'
        )
        answer = CliRunner().invoke(app, ["score", "--tenant", "north", *map(str, words)])
        assert answer.exit_code == 0, answer.output
        return answer

    return run


def of(sekmet: Sekmet, kind: str) -> dict[str, Any]:
    """Every resource of a type that the server holds, by id."""
    found: dict[str, Any] = {}
    url = f"{sekmet.base}/{kind}?_count=1000"
    while url:
        page = sekmet.http.get(url).raise_for_status().json()
        entries = [each["resource"] for each in page.get("entry", [])]
        found |= {each["id"]: each for each in entries if each["resourceType"] == kind}
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    return found


def scored(table: Path) -> polars.DataFrame:
    return polars.read_parquet(table).filter(outcome="scored").sort("uuid")


def test_its_export_scores_as_the_files_and_is_written_back_once(
    score: Score, sekmet: Sekmet, export: Path, tmp_path: Path
) -> None:
    before = {kind: of(sekmet, kind) for kind in WRITTEN}
    score("--from", export, "--to", tmp_path / "files.parquet", "--run", tmp_path / "files")
    answer = score(
        *("--from", f"{sekmet.base}/$export", "--to", tmp_path / "served.parquet"),
        *("--to", "fhir", "--to", "database", "--run", tmp_path / "served"),
    )
    files, served = scored(tmp_path / "files.parquet"), scored(tmp_path / "served.parquet")
    the_same(files, served)
    written = {kind: of(sekmet, kind) for kind in WRITTEN}
    new = {kind: written[kind].keys() - before[kind].keys() for kind in WRITTEN}
    assert new["RiskAssessment"] == new["Provenance"] == set(served["uuid"])
    assert len(new["Device"]) == 1
    assert f"{len(served)} RiskAssessments are at the FHIR server, {len(served)} of them new" in (
        answer.stdout
    )
    for name, source in (("again", f"{sekmet.base}/$export"), ("of the files", export)):
        again = score("--from", source, "--to", "fhir", "--run", tmp_path / name)
        assert "RiskAssessments are at the FHIR server, 0 of them new" in again.stdout
        assert {kind: of(sekmet, kind) for kind in WRITTEN} == written


def test_its_worklist_scores_as_the_files_and_what_was_written_is_there(
    score: Score, sekmet: Sekmet, export: Path, tmp_path: Path
) -> None:
    """The token is for the types that the files have: of others it would be known that none are there."""
    scope = " ".join(f"system/{file.name.split('.')[0]}.rs" for file in export_files(export))
    score(
        *("--from", export, "--to", tmp_path / "files.parquet", "--to", "fhir"),
        *("--run", tmp_path / "files"),
    )
    written = {kind: of(sekmet, kind) for kind in WRITTEN}
    answer = score(
        *("--from", sekmet.base, "--to", tmp_path / "served.parquet", "--to", "fhir"),
        *("--run", tmp_path / "served"),
        scope=scope,
    )
    the_same(scored(tmp_path / "files.parquet"), scored(tmp_path / "served.parquet"))
    assert "RiskAssessments are at the FHIR server, 0 of them new" in answer.stdout
    assert {kind: of(sekmet, kind) for kind in WRITTEN} == written


def the_same(one: polars.DataFrame, other: polars.DataFrame) -> None:
    """The same stays with the same inputs, and the same probability to six decimals."""
    assert len(one) > 0
    for column in ("uuid", "patient_id", "encounter_id", "vector_digest", "fhir_server"):
        assert one[column].to_list() == other[column].to_list()
    assert one["probability"].to_list() == pytest.approx(other["probability"].to_list(), abs=1e-6)


@pytest.mark.parametrize("validate", [fhirkit, pyrofile])
def test_other_validators_find_nothing_wrong_with_what_is_there(
    validate: Callable[..., Any],
    score: Score,
    sekmet: Sekmet,
    export: Path,
    tmp_path: Path,
    peers: Path,
) -> None:
    score("--from", export, "--to", "fhir", "--run", tmp_path / "run")
    (tmp_path / "there").mkdir()
    files = []
    for kind in WRITTEN:
        readmits = [each for each in of(sekmet, kind).values() if "Readmit" in json.dumps(each)]
        for number, each in enumerate(readmits[:20]):
            files.append(tmp_path / "there" / f"{kind}-{number}.json")
            files[-1].write_text(json.dumps(each))
    assert len(files) == 41
    done = validate(peers, files)
    assert done.returncode == 0, done.stdout + done.stderr
