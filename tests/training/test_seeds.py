"""A run is a function of its seed, its settings and its data."""

from pathlib import Path

import msgspec
import pytest
import torch

from tests.training.conftest import Whole
from tests.training.small_runs import STAGES, changed, experiment, in_bytes
from training.runs import derived_seed
from training.settings import Settings
from training.stages import finetune

pytestmark = pytest.mark.sampled(2)

AVERAGE = 0.0


@pytest.mark.parametrize("stage", STAGES)
def test_the_same_seed_gives_the_same_weights_and_metrics(
    stage: str, whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    folder, weights = whole(stage, AVERAGE)
    again = STAGES[stage](experiment(tmp_path, all_stages))
    assert in_bytes(again) == in_bytes(weights)
    metrics = (tmp_path / stage / "metrics.jsonl").read_bytes()
    assert metrics == (folder / "metrics.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_another_seed_gives_other_weights(
    stage: str, whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(all_stages, seed=all_stages.seed + 1)
    found = STAGES[stage](experiment(tmp_path, other))
    assert found.keys() == whole(stage, AVERAGE)[1].keys()
    assert in_bytes(found) != in_bytes(whole(stage, AVERAGE)[1])


def test_members_differ_and_do_not_depend_on_how_many_there_are(
    whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    made = [in_bytes(each) for each in finetune(experiment(tmp_path, all_stages), None)]
    assert len({*made}) == 2
    assert made[0] == in_bytes(whole("finetune/0", AVERAGE)[1])


def test_members_of_resampled_patients_are_functions_of_the_seed_too(
    all_stages: Settings, tmp_path: Path
) -> None:
    settings = changed(all_stages, finetuning={"resample": True, "drop": 0.2})
    one, other = (
        finetune(experiment(tmp_path / name, settings), None, members=1) for name in ("a", "b")
    )
    assert in_bytes(one[0]) == in_bytes(other[0])


def test_what_draws_before_a_stage_does_not_change_it(
    whole: Whole, all_stages: Settings, tmp_path: Path
) -> None:
    torch.manual_seed(123456)
    torch.rand(17)
    found = STAGES["pretrain"](experiment(tmp_path, all_stages))
    assert in_bytes(found) == in_bytes(whole("pretrain", AVERAGE)[1])


def test_a_seed_serves_one_purpose() -> None:
    purposes = [(1, "weights", "encoder"), (1, "weights", "head"), (1, "order"), (2, "order")]
    seeds = {derived_seed(*each) for each in purposes}
    assert len(seeds) == len(purposes)
    assert all(0 <= each < 2**63 for each in seeds)
    assert derived_seed(1, "order") == 620558406644582515  # on every machine
