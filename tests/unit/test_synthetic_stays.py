"""Synthetic stays: each seed whole or not there, ids that do not collide, nothing fetched."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cohort_readers import quiet
from training.cohort import CohortSettings, build_cohort
from training.errors import InputError, RunError, SettingError
from training.fhir_cohort import FhirReader
from training.readers import synthetic_stays
from training.readers.synthetic_stays import SyntheticSettings, generate

FEW = SyntheticSettings(people=10, seeds=(1, 2))
ROWS: dict[str, list[dict[str, Any]]] = {
    "Patient": [{"resourceType": "Patient", "id": "p"}],
    "Location": [{"resourceType": "Location", "id": "w"}],
    "Composition": [
        {"resourceType": "Composition", "id": f"c{code}", "subject": {"reference": "Patient/p"},
         "type": {"coding": [{"code": code}]}, "section": [{"title": "t", "entry": [1]}]}
        for code in ("18842-5", "34117-2")
    ],
    "Encounter": [
        {"resourceType": "Encounter", "id": "e", "subject": {"reference": "Patient/p"},
         "location": [{"location": {"reference": "Location/w"}}], "length": {"value": 1.5}}
    ],
    "Specimen": [{"resourceType": "Specimen", "id": "s"}],
}  # fmt: skip


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The generator played by a few rows; the seeds that it was asked for."""
    asked: list[int] = []

    def simulated(scratch: Path, settings: SyntheticSettings, seed: int) -> Path:
        asked.append(seed)
        for kind, rows in ROWS.items():
            text = "".join(json.dumps(row) + "\n" for row in rows)
            (scratch / f"{kind}.ndjson").write_text(text, "utf-8")
        return scratch

    monkeypatch.setattr(synthetic_stays, "_simulated", simulated)
    return asked


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.mark.usefixtures("made")
def test_ids_carry_their_seed_and_the_hospital_is_one(tmp_path: Path) -> None:
    generate(tmp_path / "s", FEW, quiet)
    first, second = (rows(tmp_path / "s" / f"seed-{n}" / "Encounter.ndjson.gz")[0] for n in (1, 2))
    assert (first["id"], second["id"]) == ("s1-e", "s2-e")
    assert first["subject"] == {"reference": "Patient/s1-p"}
    assert first["location"] == second["location"] == ROWS["Encounter"][0]["location"]
    assert first["length"] == {"value": 1.5}
    assert rows(tmp_path / "s" / "seed-1" / "Location.ndjson.gz") == ROWS["Location"]


@pytest.mark.usefixtures("made")
def test_only_summaries_and_known_types_are_kept(tmp_path: Path) -> None:
    generate(tmp_path / "s", FEW, quiet)
    folder = tmp_path / "s" / "seed-1"
    kept = rows(folder / "Composition.ndjson.gz")
    assert [each["id"] for each in kept] == ["s1-c18842-5"]
    assert kept[0]["section"] == [{"title": "t"}]
    assert not (folder / "Specimen.ndjson.gz").exists()


def test_finished_seeds_are_not_made_again(tmp_path: Path, made: list[int]) -> None:
    def kill(task: str, done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "s", FEW, kill)
    assert sorted(each.name for each in (tmp_path / "s").iterdir()) == ["seed-1", "settings.txt"]
    generate(tmp_path / "s", FEW, quiet)
    assert made == [1, 2]


@pytest.mark.usefixtures("made")
def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    stale = tmp_path / "s" / ".being-made-x" / "fhir"
    stale.mkdir(parents=True)
    (stale / "Patient.ndjson").write_text("{}")
    generate(tmp_path / "s", FEW, quiet)
    assert not stale.exists()


def test_a_broken_seed_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(synthetic_stays, "_simulated", full)
    with pytest.raises(RunError, match="No space left on device"):
        generate(tmp_path / "s", FEW, quiet)
    assert [each.name for each in (tmp_path / "s").iterdir()] == ["settings.txt"]


@pytest.mark.usefixtures("made")
def test_seeds_of_other_settings_are_not_mixed(tmp_path: Path) -> None:
    generate(tmp_path / "s", FEW, quiet)
    generate(tmp_path / "s", SyntheticSettings(people=10, seeds=(1, 2, 3)), quiet)
    with pytest.raises(RunError, match="other settings"):
        generate(tmp_path / "s", SyntheticSettings(people=11, seeds=(1, 2)), quiet)


@pytest.mark.parametrize("wrong", [{"people": 0}, {"seeds": ()}, {"seeds": (1, 1)}])
def test_settings_that_cannot_be_used(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        SyntheticSettings(**wrong)


def test_without_the_generator_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthetic_stays.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match="extra `train`"):
        generate(tmp_path / "s", FEW, quiet)


@pytest.mark.slow
def test_the_real_generator_gives_a_cohort_with_notes_twice_the_same(tmp_path: Path) -> None:
    """In this process, where a fixture lets no connection out."""
    pytest.importorskip("clinosim")
    settings = SyntheticSettings(people=150, seeds=(101,))
    folders = [generate(tmp_path / name, settings, quiet) for name in ("one", "two")]
    files = [{f.name: f.read_bytes() for f in each.glob("seed-*/*")} for each in folders]
    assert files[0] == files[1]
    cohort = build_cohort(
        FhirReader(folders[0]), CohortSettings(shards=1, require_notes=True), tmp_path / "c", quiet
    )
    assert cohort.flow.notes == cohort.flow.kept > 0
