"""What fine-tuning holds fixed, and what contrastive pretraining does."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.text import load_text_model
from tests.training.small_runs import changed, experiment, furthest, with_fit
from training.contrastive_pretraining import TwoTowers
from training.fitting.checkpoints import state_of
from training.settings import Settings
from training.stages import align, finetune, pretrain

pytestmark = pytest.mark.sampled(3)

EMBEDDING = "embed."
SPLITTER = ("network.initial_splitter.", "network.initial_bn.")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def part(weights: Mapping[str, Tensor], *starts: str) -> dict[str, Tensor]:
    """The encoder's tensors below these names, of an encoder or of a member."""
    plain = {name.removeprefix("encoder."): each for name, each in weights.items()}
    return {name: each for name, each in plain.items() if name.startswith(starts)}


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    assert one
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture
def settings(all_stages: Settings) -> Settings:
    return with_fit(all_stages, epochs=2)


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_embedding_and_splitter_stay_as_pretraining_left_them(
    average: float, settings: Settings, tmp_path: Path
) -> None:
    made = experiment(tmp_path, with_fit(settings, average=average))
    start = pretrain(made)
    for member in finetune(made, start):
        assert equal(part(member, EMBEDDING), part(start, EMBEDDING))
        assert equal(part(member, *SPLITTER), part(start, *SPLITTER))
        rest = ("network.feat_transformers.", "network.att_transformers.", "widen.")
        own = [name for name in part(start, *rest) if ".shared." not in name]
        moved = [name for name in own if not torch.equal(member[f"encoder.{name}"], start[name])]
        assert len(moved) > len(own) / 2


def test_batch_statistics_of_the_splitter_stay_too(settings: Settings, tmp_path: Path) -> None:
    made = experiment(tmp_path, settings)
    start = pretrain(made)
    member = part(finetune(made, start, members=1)[0], "")
    frozen = [name for name in start if name.startswith(SPLITTER) and name.endswith(STATISTICS)]
    assert len(frozen) > 6
    assert all(torch.equal(member[name], start[name]) for name in frozen)
    live = [name for name in start if "feat_transformers" in name and name.endswith("running_mean")]
    assert live
    assert not any(torch.equal(member[name], start[name]) for name in live)


def test_blocks_that_steps_share_with_the_splitter_are_held_with_it(
    settings: Settings, tmp_path: Path
) -> None:
    made = experiment(tmp_path, settings)
    start = pretrain(made)
    member = part(finetune(made, start, members=1)[0], "")
    shared = [name for name in start if ".shared.shared_layers." in name]
    assert shared
    assert all(torch.equal(member[name], start[name]) for name in shared)


@pytest.mark.parametrize("freeze", [True, False])
def test_weights_drawn_at_random_are_never_frozen(
    freeze: bool, settings: Settings, tmp_path: Path
) -> None:
    told = changed(settings, finetuning={"freeze": freeze})
    made = experiment(tmp_path / "run", told)
    member = finetune(made, None, members=1)[0]
    drawn = made.encoder(None, f"member {made.seed('finetune', '0')}").state_dict()
    assert not equal(part(member, "embed.weight"), part(drawn, "embed.weight"))
    assert not equal(part(member, *SPLITTER), part(drawn, *SPLITTER))


def test_without_freezing_everything_moves(settings: Settings, tmp_path: Path) -> None:
    made = experiment(tmp_path, changed(settings, finetuning={"freeze": False}))
    start = pretrain(made)
    member = finetune(made, start, members=1)[0]
    assert not equal(part(member, "embed.weight"), part(start, "embed.weight"))
    assert furthest(part(member, *SPLITTER), part(start, *SPLITTER)) > 0


def test_alignment_moves_the_whole_encoder_and_the_last_text_layers_only(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TwoTowers] = []
    init = TwoTowers.__init__

    def watched(towers: TwoTowers, *given: object) -> None:
        init(towers, *given)  # type: ignore[arg-type]
        seen.append(towers)

    monkeypatch.setattr(TwoTowers, "__init__", watched)
    made = experiment(tmp_path, settings)
    start = pretrain(made)
    ended = align(made, start)
    assert not equal(part(ended, "embed.weight"), part(start, "embed.weight"))
    text = seen[0].text.trunk
    assert settings.alignment is not None
    fresh = load_text_model(settings.alignment.text_model, 1)[0].trunk.state_dict()
    moved = {name for name, each in text.state_dict().items() if not torch.equal(each, fresh[name])}
    assert moved
    assert all(name.startswith("encoder.layer.2.") for name in moved)
    kept = {name for name in state_of(seen[0]) if name.startswith("text.trunk.")}
    assert {name.removeprefix("text.trunk.") for name in kept} >= moved
    assert not any("embeddings.word" in name for name in kept)
