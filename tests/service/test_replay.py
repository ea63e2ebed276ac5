"""`readmit audit replay`: a past assessment comes out the same, or the answer says why not."""

import asyncio
import re
import shutil
from pathlib import Path

import pytest

from cds_service.governance.replay import replay
from fhir_mapping.catalogue import CATALOGUE
from model.bundle import load_bundle
from model.scoring import TrainedScorer, Value
from tests.service.operating import NAMES, POINTS, Operator, filled, operator
from tests.service.stored import assessment
from tests.service.trained import trained_bundle

pytestmark = pytest.mark.sampled(5)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """After a small network answered two calls."""
    asyncio.run(filled(tmp_path, "oncology", "hospice", bundle=trained_bundle(tmp_path / "bundle")))
    found = operator(tmp_path, monkeypatch)
    found.set(bundles=f'{{"readmission-risk": "{tmp_path / "bundle"}"}}')
    return found


def test_every_example_comes_out_the_same(shell: Operator) -> None:
    asyncio.run(filled(shell.folder, bundle=shell.folder / "bundle"))
    probabilities = dict(shell.sql("SELECT uuid, probability FROM assessment"))
    scored = [uuid for uuid, probability in probabilities.items() if probability is not None]
    assert 4 <= len(scored) < len(NAMES) < len(probabilities)
    for uuid, probability in probabilities.items():
        result = shell.run("audit", "replay", str(uuid))
        assert result.exit_code == 0, result.output
        if probability is not None:
            assert f"= same probability {probability}" in result.output


def test_points_are_said_not_to_be_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(filled(tmp_path, "margaret-heart-failure"))
    shell = operator(tmp_path, monkeypatch)
    (uuid,) = shell.uuids().values()
    result = shell.run("audit", "replay", uuid)
    assert result.exit_code == 0, result.output
    assert "- LACE 17, HOSPITAL 11: counted from the record's events" in result.output
    assert "= same vector digest" in result.output


NOTHING: list[Value] = [None] * len(CATALOGUE)
SHORT: list[Value] = [1.0 if name == "hosp_los_days" else None for name in CATALOGUE.names]
REASONS: dict[str, tuple[str, list[Value], bool | None, str]] = {
    "told from events": ("under_18", SHORT, None, "told from the record's events"),
    "below a floor": ("below_coverage_floor", SHORT, True, "below it in history, diagnoses"),
    "no length of stay": ("length_of_stay_implausible", NOTHING, True, ""),
    "a length after all": ("length_of_stay_implausible", SHORT, False, ""),
    "no values": ("no_open_stay", [], None, "no values were computed"),
}


@pytest.mark.parametrize("case", REASONS)
def test_a_reason_is_computed_again_where_the_values_say_it(case: str, tmp_path: Path) -> None:
    reason, values, holds, words = REASONS[case]
    bundle = load_bundle(trained_bundle(tmp_path / "bundle"))
    row = assessment(
        outcome="not_scored", reason=reason, mapping_digest=CATALOGUE.digest, probability=None
    )
    said = list(replay(row, values, bundle))[-1]
    assert (said.holds, reason in said.what, words in said.what) == (holds, True, True)


def test_a_floor_that_is_met_now_differs(tmp_path: Path) -> None:
    bundle = load_bundle(trained_bundle(tmp_path / "bundle"))
    row = assessment(outcome="not_scored", reason="below_coverage_floor", probability=None)
    whole: list[Value] = [1.0] * len(CATALOGUE)
    said = list(replay(row, whole, bundle))[-1]
    assert said.holds is False


CHANGES = {
    "probability": ("probability = 0.0001", r"! probability 0.0001 then, 0\.\d+ now"),
    "vector_digest": (f"vector_digest = '{'e' * 64}'", "! vector digest e"),
    "mapping_digest": (f"mapping_digest = '{'e' * 64}'", "! mapping digest e"),
    "known_inputs": ("known_inputs = 99", "! known inputs 99 then"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_differs_is_said_on_both_sides(case: str, shell: Operator) -> None:
    change, words = CHANGES[case]
    uuid = shell.uuids()["oncology"]
    shell.sql(f"UPDATE assessment SET {change} WHERE uuid = ?", uuid)  # noqa: S608
    result = shell.run("audit", "replay", uuid)
    assert result.exit_code == 1
    assert re.search(words, result.output), result.output
    assert "the row was changed" in result.output


def test_contents_that_changed_places_do_not_open(shell: Operator) -> None:
    one, other = shell.uuids()["oncology"], shell.uuids()["hospice"]
    for new, old in (("between", one), (one, other), (other, "between")):
        shell.sql("UPDATE sealed SET subject = ? WHERE subject = ?", new, old)
    result = shell.run("audit", "replay", one)
    assert result.exit_code == 2
    assert "of another row" in result.output


def test_purged_inputs_are_exit_3_and_say_when(shell: Operator) -> None:
    uuid = shell.uuids()["oncology"]
    shell.run("purge", "--tenant", "dev", "--assessment", uuid)
    result = shell.run("audit", "replay", uuid)
    assert result.exit_code == 3
    assert re.search(r"purged at \d{4}-\d\d-\d\d \d\d:\d\d UTC: dev, link 3", result.output)


def test_contents_that_are_gone_without_a_link_are_exit_1(shell: Operator) -> None:
    uuid = shell.uuids()["oncology"]
    shell.sql("DELETE FROM sealed WHERE subject = ?", uuid)
    result = shell.run("audit", "replay", uuid)
    assert result.exit_code == 1
    assert "no link says that they were purged" in result.output


def test_a_bundle_elsewhere_is_named_by_its_digest(shell: Operator) -> None:
    uuid = shell.uuids()["oncology"]
    shell.set(bundles=f'{{"readmission-risk": "{POINTS}"}}')
    result = shell.run("audit", "replay", uuid)
    assert result.exit_code == 2
    ((digest,),) = shell.sql("SELECT bundle_digest FROM assessment WHERE uuid = ?", uuid)
    assert str(digest) in result.output
    folder = str(shell.folder / "bundle")
    assert shell.run("audit", "replay", uuid, "--bundle", folder).exit_code == 0


def test_a_damaged_bundle_is_refused(shell: Operator) -> None:
    copy = shell.folder / "copy"
    shutil.copytree(shell.folder / "bundle", copy)
    (copy / "calibration.json").write_text("{}")
    shell.set(bundles=f'{{"readmission-risk": "{copy}"}}')
    result = shell.run("audit", "replay", shell.uuids()["oncology"])
    assert result.exit_code == 2
    assert "calibration.json" in result.output


def test_an_id_that_is_none_is_exit_2(shell: Operator) -> None:
    result = shell.run("audit", "replay", "patient-1")
    assert result.exit_code == 2
    assert "no assessment has this id" in result.output
    assert "patient-1" not in result.output


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.0, 0), (0.00004, 0), (0.0001, 1), (-0.0001, 1)], ids=str
)
def test_another_build_meets_its_tolerance_or_not(
    shift: float, verdict: int, shell: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounding can part two probabilities that lie 1e-6 apart, and then the distance decides."""
    uuid = shell.uuids()["oncology"]
    ((then,),) = shell.sql("SELECT probability FROM assessment WHERE uuid = ?", uuid)
    assert isinstance(then, float)
    monkeypatch.setattr(TrainedScorer, "unrounded", lambda *_: then + shift)
    monkeypatch.setattr(
        "model.scoring._rounded", lambda p: round(then + (0.0001 if shift else 0), 4)
    )
    result = shell.run("audit", "replay", uuid)
    assert result.exit_code == verdict, result.output
    assert ("within 1e-6 before rounding" in result.output) is (shift == 0.00004)
