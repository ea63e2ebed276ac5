"""Every line of an export is accounted for, and a patient's lines lie together, whatever the files."""

import gzip
import json
import random
from collections import defaultdict
from pathlib import Path

import pytest

from cds_service.batch import lines
from cds_service.batch.errors import BatchError
from cds_service.batch.sorting import Sorted, sort_by_patient
from fhir_mapping.shards import shard_of

ABOUT = "canary-value"


def patient(number: int) -> dict[str, object]:
    return {"resourceType": "Patient", "id": f"p{number}", "birthDate": "1950-01-01"}


def condition(number: int, of: int) -> dict[str, object]:
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "subject": {"reference": f"Patient/p{of}"},
        "code": {"text": ABOUT},
    }


def written(folder: Path, **files: list[object]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, content in files.items():
        path = folder / f"{name}.ndjson"
        texts = (each if isinstance(each, str) else json.dumps(each) for each in content)
        path.write_text("\n".join(texts) + "\n", "utf-8")
        found.append(path)
    return found


def sorted_into(folder: Path, files: list[Path], shards: int = 3) -> Sorted:
    return sort_by_patient(files, folder, shards, step=lambda done, of: None)


MIXED: list[object] = [
    patient(1),
    "",
    "{not json",
    {"resourceType": "Location", "id": "l1"},
    {"resourceType": "Claim", "id": "x"},
    {"resourceType": "Condition", "id": "c9", "code": {"text": ABOUT}},
    {"no": "type"},
    condition(1, of=1),
    condition(2, of=2),
]


def test_each_line_is_kept_passed_over_or_put_aside(tmp_path: Path) -> None:
    read = sorted_into(tmp_path / "work", written(tmp_path, mixed=MIXED))
    tally = read.tally
    assert (tally.lines, tally.kept, tally.unused, tally.blank) == (9, 4, 1, 1)
    assert tally.aside == {"not_a_resource": 2, "no_patient": 1}
    assert tally.kept + tally.unused + tally.blank + sum(tally.aside.values()) == tally.lines
    assert tally.types == {"Patient": 1, "Location": 1, "Condition": 2}


def test_what_is_put_aside_is_named_by_its_line_and_not_quoted(tmp_path: Path) -> None:
    read = sorted_into(tmp_path / "work", written(tmp_path, mixed=MIXED))
    aside = [json.loads(line) for line in read.aside()]
    assert [(each["file"], each["line"], each["reason"]) for each in aside] == [
        ("mixed.ndjson", 3, "not_a_resource"),
        ("mixed.ndjson", 6, "no_patient"),
        ("mixed.ndjson", 7, "not_a_resource"),
    ]
    assert all(ABOUT.encode() not in line for line in read.aside())


def test_a_patients_lines_lie_in_one_shard(tmp_path: Path) -> None:
    content = [*map(patient, range(30)), *(condition(n, of=n % 30) for n in range(200))]
    read = sorted_into(tmp_path / "work", written(tmp_path, some=[*content]), shards=4)
    found = defaultdict(set)
    for shard in range(4):
        for of, _ in read.lines(shard):
            found[of].add(shard)
    assert found == {f"p{number}": {shard_of(f"p{number}", 4)} for number in range(30)}


def test_the_checksum_is_that_of_the_lines_whatever_their_order_and_files(tmp_path: Path) -> None:
    content: list[object] = [*map(patient, range(9)), *(condition(n, of=n % 9) for n in range(40))]
    one = sorted_into(tmp_path / "w1", written(tmp_path / "one", some=content))
    random.Random(7).shuffle(content)  # noqa: S311 - no secret
    split = written(tmp_path / "two", a=content[:11], b=content[11:])
    with gzip.open(tmp_path / "two" / "c.ndjson.gz", "wb") as packed:
        packed.write(split[1].read_bytes())
    two = sorted_into(tmp_path / "w2", [split[0], tmp_path / "two" / "c.ndjson.gz"])
    assert one.tally == two.tally
    less = sorted_into(tmp_path / "w3", [split[0]])
    assert less.tally.checksum != one.tally.checksum


def test_a_killed_sorting_goes_on_with_the_next_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_mapping.shards._GROUP_BYTES", 1)  # each file its own group
    files = written(tmp_path, a=[patient(1)], b=[patient(2), condition(1, of=1)])
    broken = files[1].with_suffix(".ndjson.gz")
    broken.write_bytes(gzip.compress(files[1].read_bytes())[:-9])
    with pytest.raises(BatchError, match=r"b\.ndjson\.gz: cannot be read to its end"):
        sorted_into(tmp_path / "work", [files[0], broken])
    assert sorted(each.name for each in (tmp_path / "work").iterdir()) == ["sorted-0000"]
    files[0].write_bytes(b"x" * files[0].stat().st_size)  # it is not read again
    read = sorted_into(tmp_path / "work", files)
    assert (read.tally.types, read.tally.aside) == ({"Patient": 2, "Condition": 1}, {})


def test_a_line_that_is_too_long_is_put_aside_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LONGEST", 200)
    long = {**condition(1, of=1), "note": "x" * 1000}
    read = sorted_into(tmp_path / "work", written(tmp_path, some=[patient(1), long, patient(2)]))
    assert (read.tally.kept, read.tally.aside) == (2, {"line_too_long": 1})


def test_a_line_that_is_just_not_too_long_is_read_and_the_next_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = written(tmp_path, some=[patient(1), patient(2)])
    monkeypatch.setattr(lines, "LONGEST", files[0].read_bytes().index(b"\n"))
    read = sorted_into(tmp_path / "work", files)
    assert (read.tally.lines, read.tally.kept) == (2, 2)


def test_a_bundle_is_its_entries(tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    entries = [{"resource": each} for each in (patient(1), condition(1, of=1))]
    file.write_text(json.dumps({"resourceType": "Bundle", "entry": entries}, indent=2))
    assert sorted_into(tmp_path / "work", [file]).tally.types == {"Patient": 1, "Condition": 1}


def test_a_full_disk_is_a_sentence_and_nothing_stays_half_written(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.write_text("a file where a folder should be")
    with pytest.raises(BatchError, match=r"work: cannot be written .* goes on where it stopped"):
        sorted_into(work, written(tmp_path, some=[patient(1)]))
