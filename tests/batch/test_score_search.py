"""`readmit score` of a server that is searched, and of a folder elsewhere, as an operator calls it."""

import json
from pathlib import Path

import fsspec
import polars
import pytest

from tests.batch.bulk_server.faults import Canned, outcome
from tests.batch.bulk_server.state import FakeBulk
from tests.batch.test_score_command import MARGARET, Score, north, score  # noqa: F401 - fixtures

HERS = "margaret-heart-failure"
WHO = ("--tenant", "north")


def stays(out: Path) -> list[str]:
    return [str(each).rpartition("-")[2] for each in polars.read_csv(out)["encounter_id"]]


@pytest.mark.parametrize(
    ("tail", "words", "wanted"),
    [
        ("", (), "1234567"),
        ("", ("--since", "2026-09-01"), "17"),
        (f"/Encounter?class=IMP&patient={HERS}-patient-1", (), "1234567"),
        ("/Group/ward-7", ("--until", "2026-02-01"), "23"),
    ],
)
def test_the_stays_that_an_address_means(
    score: Score,  # noqa: F811
    tmp_path: Path,
    north: FakeBulk,  # noqa: F811
    tail: str,
    words: tuple[str, ...],
    wanted: str,
) -> None:
    north.group, out = {f"{HERS}-patient-1"}, tmp_path / "out.csv"
    answer = score("--from", f"{north.base}{tail}", "--to", out, *WHO, *words)
    assert answer.exit_code == 0, answer.output
    assert sorted(stays(out)) == sorted(wanted)
    assert {*polars.read_csv(out)["fhir_server"]} == {north.base}
    assert "not read" not in answer.output


def test_a_list_is_resumed_and_says_who_is_not_there(
    score: Score,  # noqa: F811
    tmp_path: Path,
    north: FakeBulk,  # noqa: F811
) -> None:
    ids, out = tmp_path / "ids.txt", tmp_path / "out.csv"
    ids.write_text(f"Encounter/{HERS}-stay-4\nPatient/nobody\n")
    north.faults.always["Coverage"] = Canned(404, outcome("not-supported"))
    words = ("--from", north.base, "--ids", ids, "--to", out, *WHO)
    answer = score(*words)
    assert answer.exit_code == 0, answer.output
    assert stays(out) == ["4"]
    assert "1 of those asked for are not at the source" in answer.output
    assert "not read: Coverage" in answer.output
    asked = len(north.seen)
    assert score(*words).stdout == answer.stdout
    assert len(north.seen) == asked
    assert "nobody" not in answer.output


def test_a_ward_without_stays_is_a_result(
    score: Score,  # noqa: F811
    tmp_path: Path,
    north: FakeBulk,  # noqa: F811
) -> None:
    out = tmp_path / "out.csv"
    answer = score("--from", north.base, "--stays", "open", "--to", out, *WHO)
    assert answer.exit_code == 0, answer.output
    assert "0 stays: 0 scored" in answer.stdout
    assert out.read_text().count("\n") == 1


def test_a_folder_elsewhere_is_scored_like_one_here(
    score: Score,  # noqa: F811
    tmp_path: Path,
) -> None:
    entries = json.loads(MARGARET.read_bytes())["entry"]
    lines = b"\n".join(json.dumps(each["resource"]).encode() for each in entries)
    fsspec.filesystem("memory").pipe("/hers/all.ndjson", lines)
    there, here = tmp_path / "there.parquet", tmp_path / "here.parquet"
    answer = score("--from", "memory://hers", "--to", there, "--run", tmp_path / "a")
    assert answer.exit_code == 0, answer.output
    assert score("--from", MARGARET, "--to", here, "--run", tmp_path / "b").exit_code == 0
    same = [polars.read_parquet(each)["vector_digest"].sort().to_list() for each in (there, here)]
    assert same[0] == same[1]
    assert len(same[0]) == 7


@pytest.mark.parametrize(
    ("source", "words", "said"),
    [
        ("{base}/Patient?name=x", (), "searches something else than Encounter"),
        ("{base}/Encounter?class=IMP", ("--stays", "open"), "does not go with a search of yours"),
        ("{base}/Patient", (), "no FHIR server of this tenant"),
        ("{base}/Group/7", ("--ids", "ids.txt"), "--ids: goes with the base of a server alone"),
        ("{base}/$export", ("--ids", "ids.txt"), "--ids: goes with the base of a FHIR server"),
        (str(MARGARET), ("--ids", "ids.txt"), "--ids: goes with the base of a FHIR server"),
        ("{base}", ("--ids", "none.txt"), "--ids: cannot be read as text"),
        ("s3://north/export", (), "Install s3fs"),
        ("http://other.example/fhir", (), "--from: is no address that may be called"),
        ("https://other.example/fhir", (), "no FHIR server of this tenant"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_exit_2(
    score: Score,  # noqa: F811
    tmp_path: Path,
    north: FakeBulk,  # noqa: F811
    source: str,
    words: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "ids.txt").write_text("Patient/1\n")
    given = [str(tmp_path / each) if each.endswith(".txt") else each for each in words]
    answer = score(
        "--from", source.replace("{base}", north.base), "--to", tmp_path / "o.csv", *WHO, *given
    )
    assert answer.exit_code == 2, answer.output
    assert said in answer.output.replace("\n", " ")
    assert "Traceback" not in answer.output


@pytest.mark.parametrize("tail", ["", "/Encounter", "/Encounter?class=IMP"])
def test_after_an_earlier_search_only_encounters_that_changed_are_asked_for(
    score: Score,  # noqa: F811
    tmp_path: Path,
    north: FakeBulk,  # noqa: F811
    tail: str,
) -> None:
    words = ("--from", f"{north.base}{tail}", "--to", tmp_path / "out.csv", *WHO)
    assert score(*words, "--run", tmp_path / "first").exit_code == 0
    for each in north.records["Encounter"]:
        each["meta"] = {"lastUpdated": "2026-11-19T00:00:00Z"}
    later = (*words, "--after", tmp_path / "first")
    answer = score(*later, "--run", tmp_path / "second")
    assert answer.exit_code == 0, answer.output
    assert "0 stays: 0 scored" in answer.stdout
    (late,) = [e for e in north.records["Encounter"] if e["id"] == f"{HERS}-stay-4"]
    late["meta"]["lastUpdated"] = "2999-01-01T00:00:00Z"
    answer = score(*later, "--run", tmp_path / "third")
    assert answer.exit_code == 0, answer.output
    wanted = "1234567" if tail == "" else "4"  # of a search of one's own the very stays
    assert sorted(stays(tmp_path / "out.csv")) == sorted(wanted)


def test_a_group_that_is_read_by_search_has_no_increment(
    score: Score,  # noqa: F811
    tmp_path: Path,
    north: FakeBulk,  # noqa: F811
) -> None:
    north.group = {f"{HERS}-patient-1"}
    words = ("--from", f"{north.base}/Group/ward-7", "--to", tmp_path / "out.csv", *WHO)
    assert score(*words, "--run", tmp_path / "first").exit_code == 0
    answer = score(*words, "--run", tmp_path / "second", "--after", tmp_path / "first")
    assert answer.exit_code == 2
    assert "goes with an export or a search for encounters" in answer.output.replace("\n", " ")
