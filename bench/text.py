"""`python -m bench.text`: the text tower's Longformer beside transformers' on the same weights, one thread.

Clinical-Longformer's window and proportions, a third as wide and two layers deep, drawn at random. Eight
chunks padded to 256 tokens, as training packs them. By turns in one process; refused where outputs differ.
"""

import time
from collections.abc import Callable

import torch
import transformers
from torch import Tensor
from transformers import LongformerConfig, LongformerModel

from bench.interleaved import shortest
from bench.reporting import report, times_faster
from model.longformer import through

LENGTHS = (256, 256, 251, 240, 224, 200, 150, 77)
LAYERS, WIDTH, HEADS = 2, 256, 4
VOCABULARY, PAD = 1000, 1
ROUNDS = 12
TARGET = 5.0
TOLERANCE = 1e-4


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    trunk, given = longformer(LAYERS, WIDTH, HEADS), batch(LENGTHS)
    ways = {"ours": lambda: ours(trunk, *given), "theirs": lambda: theirs(trunk, *given)}
    apart = check(ways["ours"], ways["theirs"], given[1])
    took = shortest(ways, rounds=ROUNDS, clock=time.process_time)
    name = "text encoder, 256-token chunks"
    rows = [times_faster(name, took["ours"], took["theirs"], least=TARGET, unit="ms")]
    conditions = {
        "model": f"Longformer, {LAYERS} layers, {WIDTH} wide, {HEADS} heads, window 512, float32",
        "tokens_of_each_chunk": list(LENGTHS),
        "threads": 1,
        "outputs_apart_at_most": apart,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "time": f"CPU time, the shortest of {ROUNDS} rounds",
    }
    report("text", rows, conditions, "Text encoder on one thread")


def longformer(layers: int, width: int, heads: int) -> LongformerModel:
    """With Clinical-Longformer's window of 512, its special tokens' ids, and its share of feed-forward."""
    config = LongformerConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=600,
        pad_token_id=PAD,
        attention_window=512,
        initializer_range=width**-0.5,  # with the usual 0.02 all tokens attend to all alike
    )
    return LongformerModel(config, add_pooling_layer=False).eval().requires_grad_(False)


def batch(lengths: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Token ids (chunks, longest), and which of them are no padding."""
    ids = torch.randint(PAD + 1, VOCABULARY, (len(lengths), max(lengths)))
    seen = torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)
    return ids.masked_fill(~seen, PAD), seen


def ours(trunk: LongformerModel, ids: Tensor, seen: Tensor) -> Tensor:
    """As TextEncoder runs it."""
    return through(trunk.encoder.layer, trunk.embeddings(ids), seen)


def theirs(trunk: LongformerModel, ids: Tensor, seen: Tensor) -> Tensor:
    """As transformers runs it, [CLS] global."""
    cls = torch.zeros_like(ids)
    cls[:, 0] = 1
    output = trunk(ids, attention_mask=seen.long(), global_attention_mask=cls)
    states: Tensor = output.last_hidden_state
    return states


def check(one: Callable[[], Tensor], other: Callable[[], Tensor], seen: Tensor) -> float:
    """How far apart the outputs are at most; ValueError where that is too far."""
    apart = float((one() - other())[seen].abs().max())
    if not apart < TOLERANCE:
        raise ValueError(f"not the same outputs: {apart}")
    return apart


if __name__ == "__main__":
    main()
