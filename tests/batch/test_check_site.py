"""`readmit check-site`: a draft that can be worked with, nothing of a patient in it, clear refusals."""

import copy
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from cds_service.assessment import Assessor
from cds_service.batch.arrived import Arrived
from cds_service.batch.site_check.checking import Asked, check
from cds_service.batch.site_check.findings import SiteCheck
from fhir_mapping.catalogue import CATALOGUE
from fhir_mapping.profiles import load_profile
from model.bundle import load_bundle
from model.scoring import scorer_for
from tests.batch.site_checks import (
    PATIENTS,
    WRITTEN,
    Resource,
    checked,
    copies,
    example,
    export,
    feature,
    run,
)
from tests.service.requests import now

pytestmark = pytest.mark.sampled(9)

ROOT = Path(__file__).resolve().parents[2]
MARGARET = "margaret-heart-failure"
LOCAL = "http://hospital.example/labs"
WARD = {"system": "urn:here", "code": "WARD"}
_DECISION = re.compile(r'^# (?=(?:"(?:[^"\\]|\\.)+"|[a-z0-9_]+) = )', re.MULTILINE)


def relabelled(resource: Resource) -> Resource:
    """Haemoglobin under a local code, in a unit spelled as nobody does."""
    if "718-7" in json.dumps(resource.get("code", "")):
        resource["code"] = {
            "coding": [{"system": LOCAL, "code": "HGB", "display": "Blood pigment"}]
        }
        resource["valueQuantity"] = {"value": 10.6, "unit": "grams%"}
    return resource


def local_records(number: int = 6) -> Iterator[list[Resource]]:
    for record in copies(MARGARET, number):
        yield [relabelled(each) for each in record]


@pytest.fixture
def local(tmp_path: Path) -> Path:
    return export(tmp_path / "export", local_records())


def test_a_draft_loads_and_reads_like_its_base(local: Path, tmp_path: Path) -> None:
    plain = checked(local, tmp_path / "out")
    draft = tmp_path / "out" / "draft-profile.toml"
    assert load_profile(str(draft)).tables["codes"] == load_profile("us_core").tables["codes"]
    again = checked(local, tmp_path / "again", "--profile", draft)
    assert again["features"] == plain["features"]
    assert [each["name"] for each in again["profiles"]] == ["my_site"]


def test_a_decision_in_the_draft_maps_what_was_not(local: Path, tmp_path: Path) -> None:
    """From a local code and spelling to found values, by editing the draft alone."""
    before = checked(local, tmp_path / "out")
    assert feature(before, "hemoglobin_last")["found"] == 0
    (listed,) = [each for each in before["unmapped"] if each["code"] == "HGB"]
    assert (listed["display"], listed["local"], listed["patients"]) == ("Blood pigment", True, 6)

    text = (tmp_path / "out" / "draft-profile.toml").read_text("utf-8")
    assert f'# "{LOCAL}|HGB"' in text
    site = tmp_path / "site.toml"
    site.write_text(text.replace("# hemoglobin = []", f'hemoglobin = ["{LOCAL}|HGB"]'), "utf-8")
    half = checked(local, tmp_path / "half", "--profile", site)
    haemoglobin = feature(half, "hemoglobin_last")
    assert haemoglobin["found"] == 0
    assert [each["code"] for each in haemoglobin["rejected"]] == ["unit_unknown"]
    odd = [each for each in half["units"] if not each["understood"]]
    assert [(each["measure"], each["unit"]) for each in odd] == [("hemoglobin", "grams%")]

    spelled = (tmp_path / "half" / "draft-profile.toml").read_text("utf-8")
    whole = tmp_path / "whole.toml"
    whole.write_text(spelled.replace('# "grams%" = ""', '"grams%" = "g/dL"'), "utf-8")
    after = checked(local, tmp_path / "after", "--profile", whole)
    found = feature(after, "hemoglobin_last")
    assert found["found"] == 6
    assert [(each["unit"], each["stays"]) for each in found["units"]] == [("grams%", 6)]
    assert [each["code"] for each in found["codes"]] == ["HGB"]


def test_every_line_of_a_draft_is_toml_once_it_is_decided(tmp_path: Path) -> None:
    """Of a site where everything is named locally."""

    def strange(resource: Resource) -> Resource:
        if resource["resourceType"] == "Encounter":
            resource["class"] = WARD if resource["id"].endswith("ed-9") else resource["class"]
            odd = {"coding": [{"system": "urn:here", "code": 'A "quoted" \\ code'}]}
            resource["priority"] = odd
            resource["hospitalization"] = {"admitSource": odd, "dischargeDisposition": odd}
        if resource["resourceType"] in ("Procedure", "Condition"):
            resource["code"] = {"coding": [{"system": "urn:here", "code": "1"}]}
        return resource

    records = ([strange(each) for each in record] for record in local_records())
    checked(export(tmp_path / "export", records), tmp_path / "out")
    text = (tmp_path / "out" / "draft-profile.toml").read_text("utf-8")
    decided = tomllib.loads(_DECISION.sub("", text))
    assert decided["encounter"]["hospital_classes"][-1] == "WARD"
    assert decided["diagnosis"]["icd10_systems"] == ["urn:here"]
    assert decided["procedure"]["systems"][-1] == "urn:here"
    assert decided["disposition"] == {'A "quoted" \\ code': ""}
    assert {"admission_type", "admit_source", "arrival"} <= decided["systems"].keys()
    site = tmp_path / "site.toml"
    site.write_text(_DECISION.sub("", text), "utf-8")
    assert load_profile(str(site)).lists_procedures("urn:here")


KEPT = frozenset(
    ("resourceType", "id", "reference", "status", "system", "birthDate", "gender", "start", "end")
)
CANARY = re.compile(r"c[a4]nary", re.IGNORECASE)


def poisoned(value: Any, mark: str, key: str = "") -> Any:
    """Every text that need not be what it is holds a mark of its own, every number one too."""
    if isinstance(value, dict):
        return {name: poisoned(each, mark, name) for name, each in value.items()} | {
            f"x{mark}": {"said": mark}
        }
    if isinstance(value, list):
        return [poisoned(each, mark, key) for each in value]
    if isinstance(value, str) and key not in KEPT and not re.match(r"\d{4}-", value):
        return f"{value} {mark}" if key in ("display", "text") else mark
    return value


def hostile(number: int) -> Iterator[Resource]:
    """One patient: the record as it is, and beside it everything a second time, poisoned."""
    mark = f"Canary{number}"
    for each in next(copies(MARGARET, 1)):
        moved = json.loads(json.dumps(each).replace("copy-0", mark))
        yield moved
        if moved["resourceType"] != "Patient":
            spoilt = poisoned(copy.deepcopy(moved), mark)
            yield spoilt | {"id": f"{moved['id']}-again", "resourceType": moved["resourceType"]}
    yield {"resourceType": f"Type{mark}", "id": mark}
    yield {"resourceType": "Observation", "id": {"name": mark}}
    yield {
        "resourceType": "Observation",
        "id": f"{mark}-units",
        "status": "final",
        "subject": {"reference": f"Patient/{mark}-patient-1"},
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": mark}]},
        "effectiveDateTime": "2026-10-24T06:05:00-04:00",
        "valueQuantity": {"value": 9.87654, "unit": f"g of {mark}"},
    }


def outputs(out: Path) -> str:
    return "\n".join((out / name).read_text("utf-8") for name in WRITTEN)


def test_nothing_of_a_patient_is_written(tmp_path: Path) -> None:
    source = export(tmp_path / "export", ([*hostile(number)] for number in range(8)))
    with (source / "all.ndjson").open("a", encoding="utf-8") as file:
        file.write("\nnot JSON: Canary Smith\n")
    result = run("--from", source, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    written = outputs(tmp_path / "out")
    assert CANARY.findall(written) == []
    assert CANARY.findall(result.output) == []
    assert "9.87654" not in written
    found = json.loads((tmp_path / "out" / "check-site.json").read_text("utf-8"))
    assert found["patients"] == 8
    assert "unknown" in {each["type"] for each in found["resources"]}
    assert any("(unknown element)" in each["path"] for each in found["deep_check"]["errors"])
    broken = {(e["code"], e["resource"]): e["count"] for e in found["issues"]}
    assert broken["malformed_resource", "Observation"] == 8


def look(arrived: Arrived, least: int = 5) -> SiteCheck:
    bundle = load_bundle(ROOT / "bundles" / "demo", mapping_digest=CATALOGUE.digest)
    asked = Asked(Assessor(bundle, scorer_for(bundle)), None, least, 100, now())
    return check(arrived, asked, lambda things, *_: things)[0]


def test_the_marks_would_be_seen_if_nothing_were_held_back(tmp_path: Path) -> None:
    source = export(tmp_path / "export", ([*hostile(number)] for number in range(2)))
    arrived = Arrived((source / "all.ndjson",))
    shown = msgspec.to_builtins(look(arrived, least=1))
    assert {key for key, part in shown.items() if CANARY.search(str(part))} == {
        "features", "units", "unmapped", "deep_check",
    }  # fmt: skip
    assert CANARY.findall(str(look(arrived, least=3))) == []


def test_what_a_source_says_of_its_files_counts(local: Path) -> None:
    """Whole types without a line were read; parts are partial; what is gone is gone."""
    whole = frozenset(("Patient", "Encounter", "Condition", "Observation", "MedicationDispense"))
    haemoglobin = [
        ("Observation", each["id"])
        for record in local_records()
        for each in record
        if LOCAL in json.dumps(each)
    ]
    found = look(
        Arrived(
            (local / "all.ndjson",),
            types=whole,
            partial=frozenset(("Observation",)),
            deleted=tuple(haemoglobin),
        )
    )
    states = {each.type: each.state for each in found.not_read}
    assert states["Observation"] == "partial"
    assert states["Procedure"] == "not_read"
    assert "MedicationDispense" not in states
    assert "HGB" not in {each.code for each in found.unmapped}
    assert "HGB" in {each.code for each in look(Arrived((local / "all.ndjson",))).unmapped}


def test_what_all_patients_share_is_shown_and_cannot_do_harm(tmp_path: Path) -> None:
    script = "<script>alert(1)</script>"

    def spoilt(resource: Resource, code: str) -> Resource:
        if resource["resourceType"] == "Observation":
            resource["code"] = {"coding": [{"system": LOCAL, "code": code, "display": script}]}
        return resource

    codes = ("HGB", 'A"]\nname = "stolen"', "\u202eBGH", "x" * 500)
    records = (
        [spoilt(copy.deepcopy(each), code) for code in codes for each in record]
        for record in (list(one) for one in copies(MARGARET, 6))
    )
    numbered = (
        [each | {"id": f"{each['id']}-{place}"} if each["resourceType"] == "Observation" else each
         for place, each in enumerate(record)]
        for record in records
    )  # fmt: skip
    found = checked(export(tmp_path / "export", numbered), tmp_path / "out")
    listed = [e["code"] for e in found["unmapped"] if e["element"] == "Observation.code"]
    assert listed == ["HGB"]
    page = (tmp_path / "out" / "check-site.html").read_text("utf-8")
    assert script not in page
    assert "&lt;script&gt;" in page
    draft = (tmp_path / "out" / "draft-profile.toml").read_text("utf-8")
    assert tomllib.loads(draft)["name"] == "my_site"
    assert "stolen" not in draft


def test_how_many_must_share_a_code_can_be_set(tmp_path: Path) -> None:
    source = export(tmp_path / "export", local_records(3))
    assert "HGB" not in {e["code"] for e in checked(source, tmp_path / "out")["unmapped"]}
    sandbox = checked(source, tmp_path / "out", "--least-patients", 2)
    assert "HGB" in {each["code"] for each in sandbox["unmapped"]}
    assert sandbox["least_patients"] == 2
    assert run("--from", source, "--out", tmp_path / "out", "--least-patients", 1).exit_code == 2


def test_counts_do_not_depend_on_order_files_or_repetition(local: Path, tmp_path: Path) -> None:
    once = checked(local, tmp_path / "once", "--sample", 10_000)
    lines = (local / "all.ndjson").read_text("utf-8").splitlines()
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.ndjson").write_text("\n".join(reversed(lines[::2])), "utf-8")
    (other / "a.jsonl").write_text("\n".join(reversed(lines[1::2])), "utf-8")
    apart = checked(other, tmp_path / "apart", "--sample", 10_000)
    assert apart | {"files": 1} == once


def test_what_is_late_is_counted_from_discharge(local: Path, tmp_path: Path) -> None:
    """Six copies of one stay: its last sodium was drawn so many hours before it ended."""
    found = feature(checked(local, tmp_path / "out"), "sodium_last")
    assert found["found"] == 6
    hours = found["hours_before_discharge"]
    assert hours["median"] == hours["p90"]
    assert hours["median"] == pytest.approx(_hours_before_the_end("2951-2"), abs=0.06)


def test_values_issued_too_late_are_told(tmp_path: Path) -> None:
    """Two of six have a sodium drawn in the stay and issued on the day after."""

    def delayed(resource: Resource, late: bool) -> Resource:
        if late and "2951-2" in json.dumps(resource.get("code", "")):
            resource["issued"] = "2027-01-01T00:00:00Z"
        return resource

    records = (
        [delayed(each, number < 2) for each in record]
        for number, record in enumerate(copies(MARGARET, 6))
    )
    found = checked(export(tmp_path / "export", records), tmp_path / "out")
    sodium, haemoglobin = feature(found, "sodium_last"), feature(found, "hemoglobin_last")
    assert sodium["found"] == 4
    assert haemoglobin["found"] == 6
    assert (sodium["issued_after_discharge"], haemoglobin["issued_after_discharge"]) == (2, 0)


def _hours_before_the_end(loinc: str) -> float:
    record = example(MARGARET)
    (end,) = [
        each["period"]["end"]
        for each in record
        if each["resourceType"] == "Encounter" and each["id"].endswith("stay-1")
    ]
    drawn = [
        datetime.fromisoformat(each["effectiveDateTime"])
        for each in record
        if each["resourceType"] == "Observation" and loinc in json.dumps(each["code"])
    ]
    left = datetime.fromisoformat(end)
    return (left - max(each for each in drawn if each <= left)).total_seconds() / 3600


def test_no_stay_in_hospital_is_said_not_hidden(tmp_path: Path) -> None:
    def day_case(resource: Resource) -> Resource:
        if resource["resourceType"] == "Encounter":
            resource["class"] = WARD
        return resource

    records = ([day_case(each) for each in record] for record in copies(MARGARET, 6))
    source = export(tmp_path / "export", records)
    result = run("--from", source, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert "No finished stay in hospital" in " ".join(result.output.split())
    page = (tmp_path / "out" / "check-site.html").read_text("utf-8")
    assert "No finished stay in hospital" in page
    draft = (tmp_path / "out" / "draft-profile.toml").read_text("utf-8")
    assert '# "urn:here|WARD"' in draft


Break = Callable[[Path, list[str]], list[str]]


def _without_patients(export: Path, arguments: list[str]) -> list[str]:
    (export / "all.ndjson").write_text('{"resourceType": "Organization", "id": "1"}')
    return arguments


def _broken(export: Path, arguments: list[str]) -> list[str]:
    (export / "more.ndjson.gz").write_bytes(b"\x1f\x8bxx")
    return arguments


def _out_is_a_file(export: Path, arguments: list[str]) -> list[str]:
    (export.parent / "out").write_text("as it was")
    return arguments


def _out_below_a_file(export: Path, arguments: list[str]) -> list[str]:
    (export.parent / "file").write_text("as it was")
    return [*arguments, "--out", str(export.parent / "file" / "out")]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda export, given: [*given, "--from", str(export / "nowhere")], "no FHIR file"),
        (_without_patients, "no patient's resources"),
        (_broken, "cannot be read"),
        (lambda _, given: [*given, "--profile", "nowhere"], "us_core"),
        (lambda export, given: [*given, "--bundle", str(export)], "manifest"),
        (lambda export, given: [*given, "--out", str(export / "out")], "lies in the folder"),
        (_out_is_a_file, "name a folder"),
        (_out_below_a_file, "cannot be written"),
    ],
    ids=[
        "no source", "no patient", "broken file", "no profile", "no bundle", "out in source",
        "out is a file", "out below a file",
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_a_sentence(
    local: Path, tmp_path: Path, change: Break, said: str
) -> None:
    arguments = change(local, ["--from", str(local), "--out", str(tmp_path / "out")])
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "out").is_dir()


def test_former_results_stay_where_the_new_ones_fail(
    local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked(local, tmp_path / "out")
    before = outputs(tmp_path / "out")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    result = run("--from", local, "--out", tmp_path / "out", "--least-patients", 2)
    assert result.exit_code == 2
    assert "check folder and space" in " ".join(result.output.split())
    assert outputs(tmp_path / "out") == before
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == sorted(WRITTEN)


def test_the_page_stands_alone(tmp_path: Path) -> None:
    checked(PATIENTS, tmp_path / "out")
    page = (tmp_path / "out" / "check-site.html").read_text("utf-8")
    assert "<script" not in page
    assert re.findall(r"(?:src|href)=", page) == []
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page
    assert page.count("<table") == page.count("<caption>")


def keys_of(kind: Any) -> Iterator[str]:
    """The keys of the JSON, from the types that are written."""
    for each in fields(kind):
        yield each.name
        for part in (each.type, *get_args(each.type)):
            if is_dataclass(part):
                yield from keys_of(part)


def test_every_key_is_explained() -> None:
    text = (ROOT / "docs" / "how-to" / "check-a-site.md").read_text("utf-8")
    assert sorted(key for key in set(keys_of(SiteCheck)) if f"`{key}`" not in text) == []
