"""A FHIR export as subjects: as one patient at a time would be read, in bounded memory."""

import base64
import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhir_mapping.exports import read_export
from fhir_mapping.reading import history_of
from tests.spec.record import Resource, condition, ed_visit, observation, patient, stay, visit
from tests.unit.cohort_readers import quiet
from training.errors import InputError, RunError
from training.fhir_cohort import FhirReader
from training.subjects import Subject

TEXT = "Went home well."
SITE = {"resourceType": "Location", "id": "w", "name": "Medical ICU"}


def of(who: str, *rows: Resource) -> list[Resource]:
    """The rows as another patient's own."""
    text = json.dumps(rows).replace("Patient/p", f"Patient/{who}")
    found: list[Resource] = json.loads(text)
    return [
        each | {"id": who if each["resourceType"] == "Patient" else f"{who}-{each['id']}"}
        for each in found
    ]


def summary(who: str, **fields: Any) -> Resource:
    data = base64.b64encode(TEXT.encode()).decode()
    return {
        "resourceType": "DocumentReference", "id": f"{who}-note", "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "18842-5"}]},
        "subject": {"reference": f"Patient/{who}"}, "date": "2024-03-15T13:00:00Z",
        "content": [{"attachment": {"contentType": "text/plain", "data": data}}],
        "context": {"encounter": [{"reference": f"Encounter/{who}-stay"}]},
    } | fields  # fmt: skip


def ward() -> list[Resource]:
    """Three patients; only `b` has a diagnosis, only `a` and `c` have a summary."""
    rows = of("a", patient(), stay(), ed_visit()) + of("c", patient(), stay())
    rows += of(
        "b",
        patient(),
        stay(),
        condition("icd10|I50.9"),
        observation("03-14 08:00", "718-7", "9", "g/dL"),
    )
    return [*rows, SITE, summary("a"), summary("c")]


def ndjson(path: Path, rows: list[Resource]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")
    return path


def read(
    path: Path, work: Path, count: int = 2, **options: Any
) -> tuple[FhirReader, list[Subject]]:
    reader = FhirReader(path, **options)
    reader.prepare(work, count, quiet)
    return reader, [each for shard in range(count) for each in reader.subjects(shard)]


def by_id(found: list[Subject]) -> dict[str, Subject]:
    return {each.subject_id: each for each in found}


def test_subjects_are_what_the_whole_export_read_at_once_gives(tmp_path: Path) -> None:
    path = ndjson(tmp_path / "all.ndjson", ward())
    export = read_export(path)
    expected = {name: history_of(resources) for name, resources in export.records()}
    for count in (1, 2, 7):
        _, found = read(path, tmp_path / f"work{count}", count)
        assert {each.subject_id: each.history for each in found} == expected
        assert all(each.sources == export.sources for each in found)


def test_a_type_that_only_another_shard_holds_was_read(tmp_path: Path) -> None:
    _, found = read(ndjson(tmp_path / "all.ndjson", ward()), tmp_path / "work", 5)
    assert {each.sources["Condition"] for each in found} == {"read"}
    assert {each.sources.get("Procedure", "not_read") for each in found} == {"not_read"}


def test_a_type_whose_only_line_is_broken_was_not_read(tmp_path: Path) -> None:
    broken = {
        "resourceType": "Coverage",
        "id": "x",
        "status": 7,
        "beneficiary": {"reference": "Patient/a"},
    }
    reader, _ = read(ndjson(tmp_path / "all.ndjson", [*ward(), broken]), tmp_path / "work")
    assert "Coverage" not in reader.sources
    assert "DocumentReference" not in reader.sources


def test_notes_come_with_their_stays(tmp_path: Path) -> None:
    _, found = read(ndjson(tmp_path / "all.ndjson", ward()), tmp_path / "work")
    assert {each.subject_id: dict(each.notes) for each in found} == {
        "a": {"a-stay": TEXT}, "b": {}, "c": {"c-stay": TEXT},
    }  # fmt: skip


def test_gzip_bundles_and_several_files_make_no_difference(tmp_path: Path) -> None:
    rows, folder = ward(), tmp_path / "export"
    folder.mkdir()
    lines = "".join(json.dumps(each) + "\n" for each in rows[:4])
    (folder / "one.ndjson.gz").write_bytes(gzip.compress(lines.encode()))
    bundle = {"resourceType": "Bundle", "entry": [{"resource": each} for each in rows[4:]]}
    (folder / "two.json").write_text(json.dumps(bundle, indent=2))
    _, pieces = read(folder, tmp_path / "work1")
    _, whole = read(ndjson(tmp_path / "all.ndjson", rows), tmp_path / "work2")
    assert by_id(pieces) == by_id(whole)


def test_follow_up_ends_when_the_export_last_saw_something(tmp_path: Path) -> None:
    rows = ward()
    cases = [
        ([], "2024-03-15T13:00:00"),
        (of("a", visit("x", "AMB", "05-02 08:00", "05-02 09:00")), "2024-05-02T09:00:00"),
        (of("a", visit("x", "AMB", "05-02 08:00", status="planned")), "2024-03-15T13:00:00"),
        (
            of("a", visit("x", "IMP", "05-02 08:00", "06-01 08:00", status="in-progress")),
            "2024-05-02T08:00:00",
        ),
        ([summary("a", id="late", date="2024-07-01T08:00:00Z")], "2024-07-01T08:00:00"),
    ]
    for number, (more, expected) in enumerate(cases):
        path = ndjson(tmp_path / f"{number}.ndjson", rows + more)
        reader, _ = read(path, tmp_path / f"work{number}")
        assert reader.follow_up_until == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_a_given_follow_up_holds(tmp_path: Path) -> None:
    until = datetime(2024, 4, 1, tzinfo=UTC)
    reader, _ = read(
        ndjson(tmp_path / "a.ndjson", ward()), tmp_path / "work", follow_up_until=until
    )
    assert reader.follow_up_until == until


def test_the_fingerprint_changes_with_the_data_and_the_options_alone(tmp_path: Path) -> None:
    path = ndjson(tmp_path / "all.ndjson", ward())
    first = FhirReader(path).fingerprint()
    assert FhirReader(path).fingerprint() == first
    assert FhirReader(path, profile="synthea").fingerprint() != first
    ndjson(path, ward()[:-1])
    assert FhirReader(path).fingerprint() != first


def test_a_killed_sort_goes_on_with_the_next_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_mapping.shards._GROUP_BYTES", 1)
    folder = tmp_path / "export"
    folder.mkdir()
    for number, row in enumerate(ward()):
        ndjson(folder / f"{number:02d}.ndjson", [row])

    def kill(task: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    reader = FhirReader(folder)
    with pytest.raises(KeyboardInterrupt):
        reader.prepare(tmp_path / "work", 2, kill)
    before = {each: each.stat().st_mtime_ns for each in (tmp_path / "work").rglob("*")}
    _, found = read(folder, tmp_path / "work")
    assert before.items() <= {each: each.stat().st_mtime_ns for each in before}.items()
    _, whole = read(folder, tmp_path / "other")
    assert by_id(found) == by_id(whole)


def test_a_subject_without_a_patient_is_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [each for each in ward() if each["id"] != "b"]
    _, found = read(ndjson(tmp_path / "all.ndjson", rows), tmp_path / "work", 1)
    assert {*by_id(found)} == {"a", "c"}
    assert "1 subjects without a Patient resource" in caplog.text


def test_a_damaged_file_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "all.ndjson.gz"
    path.write_bytes(gzip.compress(json.dumps(ward()).encode())[:-20])
    with pytest.raises(InputError, match=r"all\.ndjson\.gz: cannot be read to its end"):
        read(path, tmp_path / "work")
    assert not list((tmp_path / "work").rglob("*"))


@pytest.mark.parametrize("name", ["empty", "all.txt", "missing"])
def test_where_no_fhir_is_it_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "all.txt").write_text("x")
    path = tmp_path / name
    with pytest.raises(InputError, match="FHIR"):
        read(tmp_path / "empty" if name == "all.txt" else path, tmp_path / "work")


def test_an_export_without_patients_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no patient's resources"):
        read(ndjson(tmp_path / "all.ndjson", [SITE]), tmp_path / "work")


def test_an_unknown_profile_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such site profile"):
        FhirReader(tmp_path, profile="nowhere")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("in the way")
    with pytest.raises(RunError, match="run the same command again"):
        read(ndjson(tmp_path / "all.ndjson", ward()), tmp_path / "work")


def test_no_word_of_a_note_reaches_an_error_or_a_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    broken = summary("a", id="x", content="WORDS")
    read(ndjson(tmp_path / "all.ndjson", [*ward(), broken]), tmp_path / "work")
    assert TEXT not in caplog.text
    assert "WORDS" not in caplog.text
