"""`readmit score --to fhir`: each scored stay is in the chart once, whatever the server can do."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import polars
import pytest
from starlette.responses import JSONResponse, Response
from typer.testing import CliRunner, Result

from cds_service.cli import app
from cds_service.smart.app_keys import new_app_keys, read_app_keys
from tests.batch.bulk_server.faults import outcome
from tests.batch.written_server import KINDS, WAYS, FakeFhir, Json, fake_fhir, stated
from tests.conftest import ROOT
from tests.service.stored import KEY

pytestmark = pytest.mark.sampled(8)

Score = Callable[..., Result]
PATIENTS = ROOT / "examples" / "patients"
STAYS = 7
MARGARET = "margaret-heart-failure"


@pytest.fixture
def server() -> Iterator[FakeFhir]:
    with fake_fhir() as running:
        yield running


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """One with many stays, and a newborn, who is not scored."""
    (tmp_path / "from").mkdir()
    for name in (MARGARET, "newborn"):
        shutil.copy(PATIENTS / f"{name}.json", tmp_path / "from")
    return tmp_path / "from"


@pytest.fixture
def score(server: FakeFhir, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Score:
    monkeypatch.chdir(ROOT)
    keys = tmp_path / "app-keys.json"
    keys.write_text(new_app_keys())
    server.register("readmit-batch", json.loads(read_app_keys(keys).public()))
    settings(monkeypatch, tmp_path, server)
    monkeypatch.setenv("READMIT_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/test.sqlite")

    def run(run: str = "run", *words: object) -> Result:
        given = ("--from", source, "--to", "fhir", "--run", tmp_path / run, *words)
        return CliRunner().invoke(app, ["score", "--tenant", "north", *map(str, given)])

    return run


def settings(
    monkeypatch: pytest.MonkeyPatch, folder: Path, server: FakeFhir, tenant: str = ""
) -> None:
    """A tenant of that server; `tenant`: more lines of its table."""
    (folder / "tenants.toml").write_text(
        '[[tenant]]\nname = "north"\niss = "https://n.example"\njku = "https://n.example/jwks"\n'
        + (tenant or f'fhir_servers = ["{server.base}"]\n')
    )
    for name, value in {
        "BUNDLES": '{"readmission-risk": "bundles/lace-hospital"}',
        "TENANTS": str(folder / "tenants.toml"),
        "PUBLIC_URL": "https://readmit.example",
        "APP_KEYS": str(folder / "app-keys.json"),
        "STORAGE_KEYS": f'["{KEY}"]',
    }.items():
        monkeypatch.setenv(f"READMIT_{name}", value)


def counts(server: FakeFhir) -> dict[str, int]:
    return {kind: len(server.of(kind)) for kind in KINDS}


ALL = {"Device": 1, "RiskAssessment": STAYS, "Provenance": STAYS}


@pytest.mark.parametrize("way", [name for name in WAYS if name != "note"])
def test_a_second_run_writes_nothing_new_whatever_is_remembered_here(
    way: str, score: Score, server: FakeFhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.statement = WAYS[way]
    answer = score()
    assert answer.exit_code == 0, answer.output
    assert counts(server) == ALL
    assert f"{STAYS} RiskAssessments are at the FHIR server, {STAYS} of them new" in answer.stdout
    wrote = list(server.writes)
    monkeypatch.setenv("READMIT_DATABASE", f"sqlite+aiosqlite:///{tmp_path}/other.sqlite")
    again = score("again")
    assert again.exit_code == 0, again.output
    assert server.writes == wrote
    assert f"{STAYS} RiskAssessments are at the FHIR server, 0 of them new" in again.stdout
    assert not (tmp_path / "other.sqlite").exists()


def test_a_server_that_only_creates_gets_what_the_store_remembers_not_to_have_sent(
    score: Score, server: FakeFhir, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.statement = WAYS["note"]
    monkeypatch.setenv("READMIT_DATABASE", database)
    assert score().exit_code == 0
    assert counts(server) == ALL
    wrote = list(server.writes)
    again = score("again")
    assert again.exit_code == 0, again.output
    assert server.writes == wrote
    assert f"{STAYS} RiskAssessments are at the FHIR server, 0 of them new" in again.stdout


def test_what_is_written_leads_to_the_device_the_patient_and_the_stay(
    score: Score, server: FakeFhir, tmp_path: Path
) -> None:
    assert score("run", "--to", tmp_path / "out.parquet").exit_code == 0
    (device,) = server.of("Device")
    assert device["deviceName"][0]["name"].startswith("Readmit: ")
    table = polars.read_parquet(tmp_path / "out.parquet").filter(outcome="scored")
    stays = dict(zip(table["uuid"], table["encounter_id"], strict=True))
    assert {
        name: each["encounter"]["reference"] for name, each in server.held[KINDS[1]].items()
    } == {uuid: f"Encounter/{stay}" for uuid, stay in stays.items()}
    for name, made in server.held["RiskAssessment"].items():
        assert made["subject"]["reference"] == f"Patient/{MARGARET}-patient-1"
        assert made["performer"]["reference"] == f"Device/{device['id']}"
        assert made["performer"]["identifier"] == device["identifier"][0]
        its = server.held["Provenance"][name]
        assert its["target"][0]["reference"] == f"RiskAssessment/{name}"
        assert its["agent"][0]["who"]["reference"] == f"Device/{device['id']}"


def test_what_is_not_scored_is_not_written(score: Score, server: FakeFhir) -> None:
    answer = score()
    assert "1 not scored: newborn" in answer.stdout
    assert {each["status"] for each in server.of("RiskAssessment")} == {"final"}


def test_what_was_changed_or_removed_there_stays_so(score: Score, server: FakeFhir) -> None:
    assert score().exit_code == 0
    marked, removed = list(server.held["RiskAssessment"])[:2]
    server.held["RiskAssessment"][marked]["status"] = "entered-in-error"
    del server.held["RiskAssessment"][removed]
    server.removed.add(f"RiskAssessment/{removed}")
    again = score("again")
    assert again.exit_code == 0, again.output
    assert server.held["RiskAssessment"][marked]["status"] == "entered-in-error"
    assert removed not in server.held["RiskAssessment"]
    assert "1 were removed there, and were not written again" in again.stdout


def test_for_a_silent_tenant_nothing_is_asked_of_the_server(
    score: Score, server: FakeFhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = f'fhir_servers = ["{server.base}"]\nsilent = true\n'
    settings(monkeypatch, tmp_path, server, silent)
    answer = score()
    assert answer.exit_code == 2
    assert "--to fhir: the tenant north is silent" in answer.output
    assert (server.seen, server.writes) == ([], [])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "servers",
    ["fhir_servers = []\n", 'fhir_servers = ["https://a.example", "https://b.example"]\n'],
)
def test_a_folder_of_who_knows_which_server_is_refused(
    servers: str, score: Score, server: FakeFhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(monkeypatch, tmp_path, server, servers)
    answer = score()
    assert answer.exit_code == 2
    assert "nobody can tell which FHIR server the patients are of" in answer.output


def test_a_server_that_wants_a_token_gets_one_for_what_is_written(
    score: Score, server: FakeFhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.closed = True
    answer = score()
    assert answer.exit_code == 2
    assert "asks for a token. Give the tenant a [tenant.backend]" in answer.output
    backend = '[tenant.backend]\nclient_id = "readmit-batch"\n'
    settings(monkeypatch, tmp_path, server, f'fhir_servers = ["{server.base}"]\n{backend}')
    again = score()
    assert again.exit_code == 0, again.output
    assert counts(server) == ALL
    (asked,) = server.at("token")
    assert "system%2FRiskAssessment.rs" in asked.body
    assert "system%2FProvenance.cu" in asked.body


def test_one_that_is_refused_is_put_aside_without_a_patient_and_the_rest_written(
    score: Score, server: FakeFhir, tmp_path: Path
) -> None:
    strange: list[str] = []

    def strict(method: str, kind: str, body: Json) -> Response | None:
        if method != "PUT" or kind != "RiskAssessment" or strange not in ([], [body["id"]]):
            return None
        strange[:] = [body["id"]]
        said = outcome("invariant", diagnostics=f"{MARGARET} is strange")
        return JSONResponse(said, 422)

    server.before = strict
    answer = score()
    assert answer.exit_code == 1, answer.output
    assert "1 not taken: RiskAssessment: status 422 (invariant)" in answer.stdout
    assert f"{STAYS - 1} RiskAssessments are at the FHIR server" in answer.stdout
    (line,) = (tmp_path / "run" / "refused.ndjson").read_bytes().splitlines()
    refused = {"resource": "RiskAssessment", "why": "status 422 (invariant)"}
    assert json.loads(line) == refused | {"uuid": strange[0]}
    summary = json.loads((tmp_path / "run" / "summary.json").read_bytes())
    assert summary["fhir"]["refused"] == {"RiskAssessment: status 422 (invariant)": 1}
    assert MARGARET not in answer.output + json.dumps(summary)
    server.before = lambda method, kind, body: None
    assert score("again").exit_code == 0
    assert counts(server) == ALL


@pytest.mark.parametrize("kind", ["Device", "RiskAssessment"])
def test_where_the_server_allows_none_the_run_stops_and_goes_on_once_it_does(
    kind: str, score: Score, server: FakeFhir
) -> None:
    server.before = lambda method, its, body: (
        JSONResponse(outcome("forbidden"), 403) if its == kind else None
    )
    answer = score()
    assert answer.exit_code == 2
    said = f"--to fhir: the FHIR server takes no {kind}: status 403 (forbidden)."
    assert said in answer.output
    assert counts(server)["RiskAssessment"] == 0
    server.before = lambda method, its, body: None
    assert score().exit_code == 0
    assert counts(server) == ALL


def test_a_server_that_says_it_takes_none_is_not_tried(score: Score, server: FakeFhir) -> None:
    server.statement = WAYS["update"] | {"RiskAssessment": stated("read", "search-type")}
    answer = score()
    assert answer.exit_code == 2
    assert "says in its CapabilityStatement that it takes no RiskAssessment" in answer.output
    assert server.writes == []


def test_without_device_and_provenance_there_is_what_the_server_takes(
    score: Score, server: FakeFhir
) -> None:
    none = stated("read", "search-type")
    server.statement = WAYS["condition"] | {"Device": none, "Provenance": none}
    answer = score()
    assert answer.exit_code == 0, answer.output
    assert counts(server) == {"Device": 0, "RiskAssessment": STAYS, "Provenance": 0}
    for made in server.of("RiskAssessment"):
        assert "reference" not in made["performer"]
        assert made["performer"]["identifier"]["value"]


def test_a_server_without_a_word_of_these_types_takes_ids_of_ours(
    score: Score, server: FakeFhir
) -> None:
    server.statement = {"Patient": stated("read")}
    server.before = lambda method, kind, body: (
        server.held[kind].update({body["id"]: body}) or Response(status_code=201)
        if method == "PUT"
        else None
    )
    assert score().exit_code == 0
    assert counts(server) == ALL


def test_shards_add_up_also_those_in_which_nobody_was_scored(
    score: Score, server: FakeFhir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.batch.run._SHARE", 200_000)
    answer = score()
    assert answer.exit_code == 0, answer.output
    assert counts(server) == ALL
    assert f"{STAYS} RiskAssessments are at the FHIR server, {STAYS} of them new" in answer.stdout
    assert len(list((tmp_path / "run" / "fhir").iterdir())) > 2


def test_a_run_that_stops_halfway_has_noted_what_was_under_way_and_goes_on(
    score: Score, server: FakeFhir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cds_service.batch.targets.server.AT_ONCE", 2)  # else all are under way
    server.statement = WAYS["search"]
    elsewhere = {"relation": "next", "url": "https://elsewhere.example/fhir/RiskAssessment"}
    page = {"resourceType": "Bundle", "type": "searchset", "link": [elsewhere]}
    server.before = lambda method, kind, body: (
        JSONResponse(page) if method == "GET" and kind == KINDS[1] and server.held[kind] else None
    )
    answer = score()
    assert answer.exit_code == 2
    assert "RiskAssessment: has pages that cannot be followed." in answer.output
    assert MARGARET not in answer.output
    server.before = lambda method, kind, body: None
    again = score()
    assert again.exit_code == 0, again.output
    assert counts(server) == ALL


def test_a_device_of_which_nobody_can_tell_stops_no_run_and_is_told(
    score: Score, server: FakeFhir
) -> None:
    server.statement = WAYS["note"]
    server.after = lambda method, kind, body: (
        Response(status_code=504) if kind == "Device" else None
    )
    answer = score()
    assert answer.exit_code == 1, answer.output
    assert "1 not taken: Device: sent once, and no answer was noted" in answer.stdout
    assert counts(server) == ALL
    assert all("reference" not in each["performer"] for each in server.of("RiskAssessment"))
