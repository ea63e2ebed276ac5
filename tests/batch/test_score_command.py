"""`readmit score` as an operator calls it: what it says, and how it refuses."""

import json
from collections.abc import Callable
from pathlib import Path

import polars
import pytest
from typer.testing import CliRunner, Result

from cds_service.cli import app
from cds_service.dependencies import system_clock
from fhir_mapping.catalogue import CATALOGUE
from model.bundle import load_bundle
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.tenancy import tenancy
from tests.conftest import ROOT

pytestmark = pytest.mark.sampled(8)

Score = Callable[..., Result]
MARGARET = ROOT / "examples" / "patients" / "margaret-heart-failure.json"
HERS = ("--from", MARGARET, "--to", "a.csv")


@pytest.fixture
def score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("READMIT_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite")
    monkeypatch.setenv("READMIT_BUNDLES", '{"readmission-risk": "bundles/demo"}')

    def run(*words: object) -> Result:
        given = ["--run", tmp_path / "run", *words] if "--run" not in words else words
        return CliRunner().invoke(app, ["score", *map(str, given)])

    return run


def test_it_says_what_was_read_scored_and_not_and_where_it_is(score: Score, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    answer = score("--from", MARGARET, "--to", out, "--to", "database")
    assert answer.exit_code == 0, answer.output
    assert "7 stays: 7 scored" in answer.stdout
    assert "into out.csv, database; summary in" in answer.stdout
    table = polars.read_csv(out)
    assert {*table["patient_id"]} == {"margaret-heart-failure-patient-1"}
    assert {*table["outcome"]} == {"scored"}
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert (summary["stays"], summary["lines"]["put aside"]) == (7, {})
    assert "margaret-heart-failure-" not in answer.output + json.dumps(summary)


def test_the_same_command_says_the_same_again(score: Score, tmp_path: Path) -> None:
    words = ("--from", MARGARET, "--to", tmp_path / "out.parquet", "--to", "database")
    assert score(*words).stdout == score(*words).stdout


@pytest.mark.parametrize("name", ["aside.ndjson", "refused.ndjson"])
def test_a_target_may_have_the_name_of_a_file_of_the_run(
    score: Score, tmp_path: Path, name: str
) -> None:
    answer = score("--from", MARGARET, "--to", tmp_path / name)
    assert answer.exit_code == 0, answer.output
    assert (tmp_path / name).read_text().count("\n") == 7


def test_a_run_goes_on_only_with_the_bundle_that_it_began_with(
    score: Score, tmp_path: Path
) -> None:
    words = ("--from", MARGARET, "--to", tmp_path / "out.csv")
    assert score(*words).exit_code == 0
    asked = tmp_path / "run" / "run.json"
    digest = load_bundle(ROOT / "bundles" / "demo", mapping_digest=CATALOGUE.digest).digest
    assert digest in asked.read_text()
    asked.write_text(asked.read_text().replace(digest, "another"))
    answer = score(*words)
    assert answer.exit_code == 2
    assert "asked for something else (bundle)" in answer.output.replace("\n", " ")


def test_an_export_without_a_patient_is_a_result(score: Score, tmp_path: Path) -> None:
    (tmp_path / "none.ndjson").write_text('{"resourceType": "Location", "id": "l"}\n')
    out = tmp_path / "out.csv"
    answer = score("--from", tmp_path / "none.ndjson", "--to", out)
    assert answer.exit_code == 0, answer.output
    assert "0 stays: 0 scored" in answer.stdout
    assert out.read_text().count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "nowhere", "--to", "a.csv"), "nowhere: no FHIR file"),
        (("--from", MARGARET, "--to", "a.xlsx"), "a.xlsx: ends in none of"),
        (("--from", MARGARET, "--to", "a.csv", "--service", "other"), "--service: no such service"),
        (("--from", MARGARET, "--to", "a.csv", "--tenant", "north"), "--tenant: there are none"),
        (
            ("--from", "https://elsewhere.example/fhir/$export", "--to", "a.csv"),
            "no FHIR server of",
        ),
        ((*HERS, "--stays", "open", "--since", "2026-11-01"), "open ones have none"),
        ((*HERS, "--stays", "open", "--until", "2026-11-01"), "open ones have none"),
        ((*HERS, "--since", "2026-11-02", "--until", "2026-11-02"), "--until: is not after"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_exit_2(
    score: Score, words: tuple[object, ...], said: str
) -> None:
    answer = score(*words)
    assert answer.exit_code == 2
    assert said in answer.output.replace("\n", " ")
    assert "Traceback" not in answer.output


def test_a_target_that_is_none_is_said_before_anything_is_received(
    score: Score, tmp_path: Path, north: FakeBulk
) -> None:
    words = ("--from", f"{north.base}/$export", "--tenant", "north")
    assert score(*words, "--to", tmp_path / "out.xlsx").exit_code == 2
    assert not north.seen
    assert score(*words, "--to", tmp_path / "out.csv").exit_code == 0


def test_a_target_that_cannot_be_written_is_a_sentence_and_leaves_nothing(
    score: Score, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("here")
    answer = score("--from", MARGARET, "--to", tmp_path / "file" / "out.csv")
    assert answer.exit_code == 2
    assert "out.csv: cannot be written" in answer.output
    assert (tmp_path / "file").read_text() == "here"


def test_a_database_that_is_gone_is_a_sentence(
    score: Score, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("READMIT_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/gone/test.sqlite")
    answer = score("--from", MARGARET, "--to", "database")
    assert answer.exit_code == 2
    assert "READMIT_DATABASE: its folder is not there" in answer.output


@pytest.fixture
def north(tmp_path: Path, server: FakeBulk, monkeypatch: pytest.MonkeyPatch) -> FakeBulk:
    """A server with one patient, of a tenant that is registered there."""
    server.reset(system_clock)
    for each in json.loads(MARGARET.read_bytes())["entry"]:
        resource = each["resource"]
        if resource["resourceType"] in server.records:
            server.records[resource["resourceType"]].append(resource)
    for name, value in tenancy(server, tmp_path).items():
        monkeypatch.setenv(name, value)
    return server


def test_a_servers_export_is_received_and_scored(
    score: Score, tmp_path: Path, north: FakeBulk
) -> None:
    out = tmp_path / "out.parquet"
    words = ("--from", f"{north.base}/$export", "--to", out, "--to", "database")
    answer = score(*words, "--tenant", "north")
    assert answer.exit_code == 0, answer.output
    table = polars.read_parquet(out)
    assert {*table["fhir_server"]} == {north.base}
    assert {*table["tenant"]} == {"north"}
    asked = len(north.at("kick-off"))
    assert score(*words, "--tenant", "north").stdout == answer.stdout
    assert len(north.at("kick-off")) == asked  # received already
    assert score(*words).exit_code == 2


def test_after_an_earlier_run_only_who_changed_is_scored_and_what_is_gone_is_purged(
    score: Score, tmp_path: Path, north: FakeBulk
) -> None:
    words = ("--from", f"{north.base}/$export", "--to", tmp_path / "o.csv", "--to", "database")
    words = (*words, "--tenant", "north")
    assert score(*words, "--run", tmp_path / "first").exit_code == 0
    for each in (each for listed in north.records.values() for each in listed):
        each["meta"] = {"lastUpdated": "2026-11-19T00:00:00Z"}
    later = (*words, "--after", tmp_path / "first")
    answer = score(*later, "--run", tmp_path / "second")
    assert answer.exit_code == 0, answer.output
    assert "0 stays: 0 scored" in answer.stdout
    north.records["Observation"], north.faults.deleted = [], deleted_of(north)
    answer = score(*later, "--run", tmp_path / "third")
    assert answer.exit_code == 0, answer.output
    assert "7 stays: 7 scored" in answer.stdout
    told = f"{len(north.faults.deleted)} resources were deleted at the server: "
    assert f"{told}1 assessments purged of them" in answer.stdout  # of the stay with vitals
    assert score(*later, "--run", tmp_path / "third").stdout.count("0 assessments purged") == 1


def deleted_of(server: FakeBulk) -> tuple[str, ...]:
    """Every Observation of hers."""
    listed = json.loads(MARGARET.read_bytes())["entry"]
    named = ((each["resource"]["resourceType"], each["resource"]["id"]) for each in listed)
    return tuple(f"{kind}/{name}" for kind, name in named if kind == "Observation")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--run", "again"), "--after first: was of another --from"),
        (("--after", "none"), "--after none: has not come to its end"),
    ],
)
def test_an_earlier_run_that_is_no_use_is_a_sentence(
    score: Score, tmp_path: Path, north: FakeBulk, words: tuple[str, str], said: str
) -> None:
    paths = (words[0], tmp_path / words[1])
    to = ("--to", tmp_path / "o.csv", "--tenant", "north")
    assert score("--from", f"{north.base}/$export", *to, "--run", tmp_path / "first").exit_code == 0
    other = f"{north.base}/Patient/$export"
    answer = score("--from", other, *to, "--after", tmp_path / "first", "--run", "r", *paths)
    assert answer.exit_code == 2
    assert said in answer.output.replace("\n", " ")


def test_an_earlier_run_that_assessed_other_stays_is_a_sentence(
    score: Score, tmp_path: Path, north: FakeBulk
) -> None:
    """Of what did not change since nothing would be said."""
    words = ("--from", f"{north.base}/$export", "--to", tmp_path / "o.csv", "--tenant", "north")
    assert score(*words, "--run", tmp_path / "first").exit_code == 0
    later = ("--stays", "open", "--after", tmp_path / "first", "--run", tmp_path / "second")
    answer = score(*words, *later)
    assert answer.exit_code == 2
    assert "--after first: was of another --stays" in answer.output.replace("\n", " ")


def test_the_site_check_takes_a_server_too(north: FakeBulk, tmp_path: Path) -> None:
    out, run = tmp_path / "check", tmp_path / "received"
    words = ("--from", f"{north.base}/$export", "--tenant", "north", "--out", out, "--run", run)
    answer = CliRunner().invoke(app, ["check-site", *map(str, words)])
    assert answer.exit_code == 0, answer.output
    assert "4 patients, 7 finished stays" in answer.output
    found = json.loads((out / "check-site.json").read_bytes())
    assert {each["type"] for each in found["not_read"]} >= {"MedicationRequest", "Procedure"}
    assert [each.name for each in run.iterdir()] == ["received"]
