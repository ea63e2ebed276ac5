"""Few notes at a time give the gradient of the whole batch; kept frozen outputs change nothing."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.contrastive import info_nce
from tests.networks import prepared_rows
from tests.training.small_objectives import ROWS, contrast, corpus, towers
from tests.training.small_runs import quiet, seeded
from training.contrastive_pretraining import TwoTowers
from training.errors import RunError
from training.notes_corpus import Corpus, keep_prefixes

pytestmark = pytest.mark.sampled(4)

NOTES = corpus()
BATCH = torch.arange(ROWS)
MODELS = pytest.mark.parametrize("longformer", [False, True], ids=["bert", "longformer"])


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: each.grad.clone() for name, each in module.named_parameters() if each.grad is not None
    }


def stepped(module: TwoTowers, notes: Corpus = NOTES, **settings: bool | int) -> dict[str, Tensor]:
    """Gradients of one step on all rows, the loss among them."""
    loss = contrast(module, notes, **settings).backward(BATCH, seeded(0))
    return gradients(module) | {"loss": torch.tensor(loss)}


def plain(module: TwoTowers) -> dict[str, Tensor]:
    """The loss as it is written down, all notes in one graph."""
    records = module.records(prepared_rows(ROWS))
    texts = []
    for note in range(ROWS):
        chunks, _ = NOTES.chunks_of([note])
        cls = module.text([NOTES.tokens(each) for each in chunks])
        texts.append(module.project_text(cls.mean(0)))
    loss = info_nce(records, torch.stack(texts), module.logit_scale())
    torch.autograd.backward(loss)
    return gradients(module) | {"loss": loss.detach()}


def close(one: dict[str, Tensor], other: dict[str, Tensor], within: float = 1e-6) -> bool:
    assert one.keys() == other.keys()
    return all(torch.allclose(one[name], other[name], rtol=1e-4, atol=within) for name in one)


def test_the_notes_here_are_of_several_chunks() -> None:
    assert max(end - start for start, end in zip(NOTES.starts, NOTES.starts[1:], strict=False)) == 3
    assert len(NOTES.starts) == ROWS + 1


@MODELS
def test_gradient_caching_gives_the_gradients_of_the_whole_batch(longformer: bool) -> None:
    expected = plain(towers(longformer=longformer))
    with_it = stepped(towers(longformer=longformer), gradient_caching=True)
    without = stepped(towers(longformer=longformer), gradient_caching=False)
    assert close(without, expected)
    assert close(with_it, expected)


@pytest.mark.parametrize("budget", [1, 257, 100_000])
def test_how_notes_are_packed_changes_no_gradient(budget: int) -> None:
    assert close(stepped(towers(), pack=budget), stepped(towers()))


@MODELS
def test_kept_frozen_outputs_give_the_same_embeddings_and_gradients(
    longformer: bool, tmp_path: Path
) -> None:
    module, kept = towers(longformer=longformer), corpus()
    keep_prefixes(kept, module.text, tmp_path, quiet)
    assert kept.states is not None
    assert close(stepped(module, kept), stepped(towers(longformer=longformer)))
    again = corpus()
    keep_prefixes(again, module.text, tmp_path, quiet)
    assert again.states is not None
    assert all((one == two).all() for one, two in zip(kept.states, again.states, strict=True))


def test_frozen_outputs_are_made_once_and_kept_by_what_was_read(tmp_path: Path) -> None:
    module = towers()
    keep_prefixes(corpus(), module.text, tmp_path, quiet)
    files = {each.name for each in tmp_path.iterdir()}

    def never(chunks: object) -> list[Tensor]:
        raise AssertionError("made again")

    module.text.prefix = never  # type: ignore[method-assign]
    keep_prefixes(corpus(), module.text, tmp_path, quiet)
    with pytest.raises(AssertionError):
        keep_prefixes(corpus(["fever"] * ROWS), module.text, tmp_path, quiet)
    assert {each.name for each in tmp_path.iterdir()} == files


def test_a_block_cut_short_is_refused(tmp_path: Path) -> None:
    keep_prefixes(corpus(), towers().text, tmp_path, quiet)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-64])
    with pytest.raises(RunError, match="is not what was written"):
        keep_prefixes(corpus(), towers().text, tmp_path, quiet)


def test_only_the_last_layers_of_the_text_tower_learn() -> None:
    for trainable in (1, 2):
        found = stepped(towers(trainable))
        learning = {name.split(".")[4] for name in found if name.startswith("text.trunk.")}
        assert learning == {"1", "2"} if trainable == 2 else learning == {"2"}
        assert {"encoder", "project_record", "project_text"} < {n.split(".")[0] for n in found}
        assert found["logit_scale.log_scale"].abs() > 0
