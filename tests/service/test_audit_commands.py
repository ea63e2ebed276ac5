"""`readmit audit`: verify and export say what is stored, whole or not; no patient is named."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.operating import Operator, filled, operator
from tests.service.requests import now
from tests.service.stored import KEY, add, new_uuid, opened

pytestmark = pytest.mark.sampled(6)

TWO = ("oncology", "newborn")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """After two calls: one scored, one not."""
    asyncio.run(filled(tmp_path, *TWO))
    return operator(tmp_path, monkeypatch)


def test_whole_is_exit_0(shell: Operator) -> None:
    result = shell.run("audit", "verify")
    assert result.exit_code == 0, result.output
    assert "dev: 2 links, nothing wrong" in result.output
    assert "Whole." in result.output
    assert "no recorded heads" in result.output  # what that is worth then


def test_a_changed_row_is_exit_1_with_tenant_and_number(shell: Operator) -> None:
    uuid = shell.uuids()["newborn"]
    shell.sql("UPDATE assessment SET outcome = 'scored' WHERE uuid = ?", uuid)
    result = shell.run("audit", "verify")
    assert result.exit_code == 1
    assert f"dev 2: assessment {uuid} was changed after it was written" in result.output
    assert "newborn" not in result.output
    assert shell.run("audit", "verify", "--tenant", "dev").exit_code == 1


ON_A_TENANT = {
    "verify": ("audit", "verify"),
    "export": ("audit", "export", "--out", "/dev/null"),
    "purge": ("purge", "--patient", "oncology-patient-1"),
}


@pytest.mark.parametrize("case", ON_A_TENANT)
def test_a_misspelt_tenant_is_neither_whole_nor_purged(case: str, shell: Operator) -> None:
    result = shell.run(*ON_A_TENANT[case], "--tenant", "north")
    assert result.exit_code == 2
    assert "north: nothing is stored of this tenant" in result.output
    assert shell.sql("SELECT tenant FROM audit_head") == [("dev",)]


def test_a_tenant_that_was_deleted_whole_is_found_by_its_recorded_head(shell: Operator) -> None:
    heads = shell.folder / "heads.jsonl"
    heads.write_text(json.dumps({"tenant": "north", "number": 2, "hash": "a" * 64}))
    result = shell.run("audit", "verify", "--tenant", "north", "--heads", str(heads))
    assert result.exit_code == 1
    assert "north 2: was recorded as the head and is gone" in result.output


def test_many_findings_are_cut_short(shell: Operator) -> None:
    columns = "tenant, created_at, wrapped_key, content"
    for number in range(30):
        shell.sql(f"INSERT INTO sealed SELECT 's{number}', {columns} FROM sealed LIMIT 1")  # noqa: S608
    said = " ".join(shell.run("audit", "verify").output.split())  # a terminal wraps
    assert said.count("put in from outside") == 20
    assert "30 wrong" in said


def test_rows_from_before_tenants_are_counted(shell: Operator) -> None:
    shell.sql("DELETE FROM audit")
    shell.sql("DELETE FROM audit_head")
    shell.sql("DELETE FROM sealed")
    shell.sql("UPDATE assessment SET tenant = NULL, uuid = NULL")
    result = shell.run("audit", "verify")
    assert result.exit_code == 0
    assert "2 assessments are from before tenants" in result.output


def test_recorded_heads_find_a_cut_tail(shell: Operator, tmp_path: Path) -> None:
    heads = tmp_path / "heads.jsonl"
    number, last = shell.sql("SELECT number, hash FROM audit_head")[0]
    heads.write_text(json.dumps({"tenant": "dev", "number": number, "hash": last}) + "\n{torn")
    assert shell.run("audit", "verify", "--heads", str(heads)).exit_code == 0
    gone = shell.uuids()["newborn"]
    for table, key in (("assessment", "uuid"), ("sealed", "subject"), ("audit", "subject")):
        shell.sql(f"DELETE FROM {table} WHERE {key} = ?", gone)  # noqa: S608
    shell.sql("UPDATE audit_head SET number = 1, hash = (SELECT hash FROM audit)")
    assert shell.run("audit", "verify").exit_code == 0  # the database alone cannot know
    shell.set(audit_heads=str(heads))
    result = shell.run("audit", "verify")
    assert result.exit_code == 1
    assert "1 recorded heads, 1 wrong" in result.output
    assert "dev 2: was recorded as the head and is gone" in result.output
    assert "1 lines are no recorded heads" in result.output


REFUSED = {
    "no database": ({"database": "sqlite+aiosqlite:///nowhere.sqlite"}, "no database"),
    "not a URL": ({"database": "nonsense"}, "READMIT_DATABASE"),
    "not a setting": ({"port": "many"}, "READMIT_PORT"),
    "not JSON": ({"storage_keys": KEY}, "READMIT_STORAGE_KEYS"),
    "not a key": ({"storage_keys": '["short"]'}, "key 1 is not a storage key"),
    "no heads": ({"audit_heads": "nowhere.jsonl"}, "no recorded heads"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_looked_at_is_exit_2_in_one_sentence(case: str, shell: Operator) -> None:
    settings, words = REFUSED[case]
    shell.set(**settings)
    result = shell.run("audit", "verify")
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert not Path("nowhere.sqlite").exists()


def test_a_database_without_its_tables_is_exit_2(shell: Operator) -> None:
    shell.sql("DROP TABLE audit")
    result = shell.run("audit", "verify")
    assert result.exit_code == 2
    assert "could not be read" in result.output


def exported(shell: Operator, *options: str) -> list[dict[str, Any]]:
    out = shell.folder / "audit.ndjson"
    result = shell.run("audit", "export", "--out", str(out), *options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_each_link_is_an_audit_event_and_each_score_a_provenance(shell: Operator) -> None:
    kinds = [each["resourceType"] for each in exported(shell)]
    assert kinds == ["AuditEvent", "Provenance", "AuditEvent"]


def test_an_audit_event_says_who_what_when(shell: Operator) -> None:
    event = exported(shell)[0]
    ((digest,),) = shell.sql("SELECT hash FROM audit WHERE number = 1")
    assert event["id"] == digest
    assert (event["action"], event["recorded"]) == ("C", now().isoformat().replace("+00:00", "Z"))
    assert [each["requestor"] for each in event["agent"]] == [True, False]
    references = [each["what"].get("reference") for each in event["entity"]]
    assert references[:2] == ["Patient/oncology-patient-1", "Encounter/oncology-stay-1"]
    details = {each["type"]: each["valueString"] for each in event["entity"][2]["detail"]}
    assert (details["chain"], details["outcome"]) == ("dev 1", "scored")
    assert "security" not in event.get("meta", {})  # points are counted, by no network


def test_a_purge_is_exported_as_what_it_is(shell: Operator) -> None:
    uuid = shell.uuids()["oncology"]
    assert shell.run("purge", "--tenant", "dev", "--assessment", uuid).exit_code == 0
    event = exported(shell)[-1]
    assert (event["action"], event["type"]["code"]) == ("D", "destroy")
    assert event["agent"][0]["who"] == {"display": "operator"}


def test_a_refused_view_is_exported_as_what_it_is(shell: Operator) -> None:
    asked_for = shell.uuids()["oncology"]
    asyncio.run(refused(shell, asked_for))
    event = exported(shell)[-1]
    assert (event["action"], event["type"]["code"], event["outcome"]) == ("R", "access", "4")
    assert event["agent"][0]["who"] == {"reference": "Practitioner/17"}
    details = {each["type"]: each["valueString"] for each in event["entity"][-1]["detail"]}
    assert (details["asked for"], details["refused"]) == (asked_for, "other_patient")
    assert shell.run("audit", "verify").exit_code == 0


async def refused(shell: Operator, asked_for: str) -> None:
    store = opened(f"sqlite+aiosqlite:///{shell.folder}/test.sqlite")
    row = {"uuid": new_uuid(), "tenant": "dev", "at": now(), "assessment_uuid": asked_for}
    await store.add_refused_view(row | {"user_id": "Practitioner/17", "reason": "other_patient"})
    await store.close()


def test_an_export_holds_no_value_and_no_result(shell: Operator) -> None:
    shell.sql("UPDATE assessment SET lace_points = 99171799, probability = 0.99171799")
    exported(shell)
    text = (shell.folder / "audit.ndjson").read_text()
    assert "99171799" not in text


def test_an_export_is_the_same_each_time(shell: Operator) -> None:
    first, again = exported(shell), exported(shell)
    assert first == again


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--tenant", "dev"), 3),
        (("--since", "2026-11-21"), 3),
        (("--since", "2026-11-22"), 0),
        (("--until", "2026-11-21"), 0),
        (("--since", "2026-11-21", "--until", "2026-11-22"), 3),
    ],
)
def test_an_export_can_be_cut_to_a_tenant_and_to_days(
    options: tuple[str, ...], count: int, shell: Operator
) -> None:
    assert len(exported(shell, *options)) == count


def test_an_export_that_cannot_be_written_is_a_sentence(shell: Operator) -> None:
    result = shell.run("audit", "export", "--out", str(shell.folder / "no" / "x.ndjson"))
    assert result.exit_code == 2
    assert "no such folder" in result.output


def test_a_place_that_takes_no_file_is_a_sentence_about_it(shell: Operator) -> None:
    (shell.folder / "audit.ndjson").mkdir()
    result = shell.run("audit", "export", "--out", str(shell.folder / "audit.ndjson"))
    assert result.exit_code == 2
    assert "audit.ndjson: cannot be written" in result.output
    assert not list(shell.folder.glob(".audit*"))


def test_ids_that_fhir_does_not_allow_are_identifiers(shell: Operator) -> None:
    strange = {"patient_id": "p 1|ä", "user_id": "somebody else", "encounter_id": None}
    asyncio.run(added(shell, **strange))
    event, provenance = exported(shell)[-2:]
    assert event["entity"][0]["what"] == {"type": "Patient", "identifier": {"value": "p 1|ä"}}
    assert event["agent"][0]["who"] == {"identifier": {"value": "somebody else"}}
    assert len(event["entity"]) == 2
    assert event["meta"]["security"] == provenance["meta"]["security"]
    assert provenance["meta"]["security"][0]["code"] == "AIAST"
    assert provenance["reason"][0]["coding"][0]["code"] == "AIAST"


async def added(shell: Operator, **columns: Any) -> None:
    store = opened(f"sqlite+aiosqlite:///{shell.folder}/test.sqlite")
    await add(store, "dev", **columns)
    await store.close()


def test_a_new_key_is_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = operator(tmp_path, monkeypatch)
    printed = {shell.run("new-key").output.strip() for _ in range(2)}
    assert len(printed) == 2
    for key in printed:
        opened("sqlite+aiosqlite://", key)


def test_rewrapped_contents_need_the_old_key_no_more(shell: Operator) -> None:
    new, uuid = shell.run("new-key").output.strip(), shell.uuids()["oncology"]
    shell.set(storage_keys=f'["{new}"]')
    assert shell.run("rewrap").exit_code == 2
    assert shell.run("audit", "replay", uuid).exit_code == 2
    shell.set(storage_keys=f'["{new}", "{KEY}"]')
    assert "2 sealed records" in shell.run("rewrap").output
    shell.set(storage_keys=f'["{new}"]')
    assert shell.run("audit", "replay", uuid).exit_code == 0
    assert shell.run("audit", "verify").exit_code == 0
    shell.set(storage_keys="[]")
    assert "READMIT_STORAGE_KEYS" in shell.run("rewrap").output
