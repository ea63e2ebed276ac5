"""Which patients a stage learns from, which only choose for it, and which it never sees."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.training.small_runs import (
    STAGES,
    altered,
    experiment,
    in_bytes,
    notes_of,
    seeded,
    small_table,
    with_fit,
)
from training.experiment import Experiment
from training.fitting.batches import one_stay_each, shuffled
from training.settings import Settings
from training.splits import tuning_slice
from training.stages import align, calibrate, finetune, network_of, pretrain
from training.tables import Flags, Table

pytestmark = pytest.mark.sampled(3)

TABLE = small_table()
NOTES = notes_of(TABLE)
SPLITS = TABLE.splits
SLICES = numpy.array([tuning_slice(each) for each in TABLE.subjects.tolist()])
TRAIN = SPLITS == "train"
SELECTION = (SPLITS == "tuning") & (SLICES == "selection")
CALIBRATION = (SPLITS == "tuning") & (SLICES == "calibration")
HELD_OUT = SPLITS == "held_out"


@pytest.fixture(scope="module")
def settings(all_stages: Settings) -> Settings:
    """One epoch: then there is nothing to choose."""
    return with_fit(all_stages, epochs=1)


def other_notes(rows: Flags) -> dict[str, str]:
    """The summaries of these rows say something else."""
    chosen = {*TABLE.stays[rows].tolist()}
    return {stay: "fever" if stay in chosen else text for stay, text in NOTES.items()}


def learnt(
    folder: Path, settings: Settings, table: Table = TABLE, notes: Mapping[str, str] = NOTES
) -> dict[str, bytes]:
    """What each stage leaves behind."""
    made = experiment(folder, settings, table=table, notes=notes)
    start = align(made, pretrain(made))
    members = finetune(made, start)
    calibrate(made, network_of(made, members))
    return {
        "pretrain": in_bytes(pretrain(made)),
        "align": in_bytes(start),
        "finetune": b"".join(map(in_bytes, members)),
        "calibrate": (folder / "calibrate" / "calibrator.json").read_bytes(),
    }


@pytest.fixture(scope="module")
def usual(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    return learnt(tmp_path_factory.mktemp("usual"), settings)


@pytest.mark.slow
def test_no_stage_depends_on_held_out(
    usual: Mapping[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    other = learnt(tmp_path / "other", settings, altered(TABLE, HELD_OUT), other_notes(HELD_OUT))
    assert other == usual
    without = {stay: NOTES[stay] for stay in TABLE.stays[~HELD_OUT].tolist() if stay in NOTES}
    assert learnt(tmp_path / "fewer", settings, TABLE.rows(~HELD_OUT), without) == usual


def test_the_calibration_slice_is_seen_by_the_calibrator_alone(
    usual: Mapping[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    table, notes = altered(TABLE, CALIBRATION), other_notes(CALIBRATION)
    other = learnt(tmp_path / "other", settings, table, notes)
    assert {name for name in usual if other[name] != usual[name]} == {"calibrate"}


def test_the_selection_slice_chooses_and_is_not_learnt_from(
    usual: Mapping[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    table, notes = altered(TABLE, SELECTION), other_notes(SELECTION)
    assert learnt(tmp_path / "other", settings, table, notes) == usual


def test_train_is_what_every_stage_learns_from(
    usual: Mapping[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    other = learnt(tmp_path / "other", settings, altered(TABLE, TRAIN), other_notes(TRAIN))
    assert all(other[name] != usual[name] for name in usual)


def test_the_label_is_seen_by_finetuning_only(
    usual: Mapping[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    labels = {name: 1.0 - label for name, label in TABLE.labels.items()}
    other = learnt(tmp_path / "other", settings, replace(TABLE, labels=labels))
    kept = {name for name in usual if other[name] == usual[name]}
    assert kept == {"pretrain", "align"}


def test_notes_are_read_by_alignment_only(
    usual: Mapping[str, bytes], settings: Settings, tmp_path: Path
) -> None:
    made = experiment(tmp_path / "other", settings, notes={"nobody": "fever"})
    assert in_bytes(pretrain(made)) == usual["pretrain"]
    finetune(made, pretrain(made))
    other = learnt(tmp_path / "notes", settings, TABLE, other_notes(TRAIN))
    assert other["align"] != usual["align"]


class Watched(Mapping[str, str]):
    """Notes that know which of them were read."""

    def __init__(self) -> None:
        self.read: set[str] = set()

    def __getitem__(self, stay: str) -> str:
        self.read.add(stay)
        return NOTES[stay]

    def __iter__(self) -> Iterator[str]:
        return iter(NOTES)

    def __len__(self) -> int:
        return len(NOTES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_reads_train_and_the_selection_slice_and_nothing_else(
    stage: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared: set[str] = set()
    inputs = Experiment.inputs

    def watched(made: Experiment, table: Table) -> object:
        prepared.update(table.stays.tolist())
        return inputs(made, table)

    notes = Watched()
    monkeypatch.setattr(Experiment, "inputs", watched)
    STAGES[stage](experiment(tmp_path, settings, notes=notes))
    allowed = {*TABLE.stays[TRAIN | SELECTION].tolist()}
    with_notes = allowed & NOTES.keys()
    train = {*TABLE.stays[TRAIN].tolist()}  # all of it: which levels were ever seen
    assert prepared == (with_notes | train if stage == "align" else allowed)
    assert notes.read == (with_notes if stage == "align" else set())


def test_numbers_are_standardised_by_train_alone(settings: Settings, tmp_path: Path) -> None:
    one, other = (
        experiment(tmp_path, settings, table=table) for table in (TABLE, altered(TABLE, ~TRAIN))
    )
    assert one.preprocessing == other.preprocessing


def test_no_patient_is_in_two_parts(settings: Settings, tmp_path: Path) -> None:
    made = experiment(tmp_path, settings)
    parts = [made.train, made.selection, made.calibration, TABLE.split("held_out")]
    patients = [{*each.subjects.tolist()} for each in parts]
    assert sum(map(len, patients)) == len(set().union(*patients)) == len({*TABLE.subjects})
    assert sum(map(len, parts)) == len(TABLE)


def test_one_module_alone_asks_for_held_out() -> None:
    """By its text: whatever else names the split only counts or describes it."""
    asks = re.compile(r"""split\(["']held_out["']\)|splits == ["']held_out["']""")
    found = [
        file.relative_to(ROOT).as_posix()
        for file in sorted((ROOT / "training").rglob("*.py"))
        if asks.search(file.read_text())
    ]
    assert found == ["training/verdicts.py"]


# Batches


@given(
    subjects=st.lists(st.sampled_from("abcdefgh"), max_size=60),
    size=st.integers(2, 8),
    seed=st.integers(0, 5),
)
def test_no_patient_is_twice_in_one_contrastive_batch(
    subjects: list[str], size: int, seed: int
) -> None:
    batches = [each.tolist() for each in one_stay_each(subjects, size, seeded(seed))]
    rows = [row for batch in batches for row in batch]
    assert len({*rows}) == len(rows)
    patients = len({*subjects})
    for batch in batches:
        assert len({subjects[row] for row in batch}) == len(batch) == min(size, patients) > 1
    left = [subjects[row] for row in range(len(subjects)) if row not in rows]
    assert len({*left}) < max(2, min(size, patients))  # too few patients for one more batch


@given(rows=st.integers(1, 50), size=st.integers(2, 9), seed=st.integers(0, 5))
def test_all_rows_are_once_in_an_epoch_and_none_alone(rows: int, size: int, seed: int) -> None:
    batches = shuffled(rows, size, seeded(seed))
    assert sorted(row for batch in batches for row in batch.tolist()) == [*range(rows)]
    assert all(2 <= len(batch) <= size + 1 for batch in batches) or rows == 1
    again = shuffled(rows, size, seeded(seed))
    assert [each.tolist() for each in again] == [each.tolist() for each in batches]
