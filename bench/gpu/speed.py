"""Our way beside the other one on a GPU: text tower, scoring, an epoch of masked pretraining.

Every timed call ends with its result on the host, so that nothing is still under way when the clock stops.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from transformers import LongformerModel

from bench.gpu.drawn import network_on, prepared
from bench.interleaved import shortest
from bench.reporting import Row, times_faster
from bench.text import batch, longformer, ours, theirs
from model.folded import FoldedNetwork

TEXT_TARGET, SCORING_TARGET, PRETRAINING_TARGET = 8.0, 20.0, 5.0


@dataclass(frozen=True)
class Sizes:
    """How large what is measured is. `layers`, `width`, `heads`: Clinical-Longformer's."""

    layers: int = 12
    width: int = 768
    heads: int = 12
    chunks: tuple[int, ...] = (8, 64)
    rows: tuple[int, ...] = (4096, 65536, 524288)
    stays: int = 200_000
    batch: int = 4096
    rounds: int = 10


def text(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """Whole chunks of 256 tokens."""
    torch.manual_seed(0)
    trunk = longformer(sizes.layers, sizes.width, sizes.heads).to(device)
    for chunks in sizes.chunks:
        given = [each.to(device) for each in batch((256,) * chunks)]
        ways = {way.__name__: partial(_cls, way, trunk, *given) for way in (ours, theirs)}
        took = shortest(ways, rounds=sizes.rounds)
        name = f"text encoder, {chunks} chunks of 256 tokens"
        yield times_faster(name, took["ours"], took["theirs"], least=TEXT_TARGET, unit="ms")


def _cls(way: Callable[..., Tensor], trunk: LongformerModel, ids: Tensor, seen: Tensor) -> Tensor:
    """Either way with bfloat16 products on a GPU, as TextEncoder has them."""
    kind = ids.device.type
    with torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda"):
        return way(trunk, ids, seen)[:, 0].float().cpu()


def scoring(device: torch.device, sizes: Sizes) -> Iterator[Row]:
    """The demonstration's members from rows on the host to logits on the host, over one CPU core."""
    networks = {"core": network_on(torch.device("cpu")), "ours": network_on(device)}
    for rows in sizes.rows:
        given = prepared(rows)
        with torch.inference_mode(), _one_thread():
            ways = {name: partial(_logits, each, given) for name, each in networks.items()}
            took = shortest(ways, rounds=min(sizes.rounds, 3))
        name = f"scoring, {rows} rows, over one CPU core"
        yield times_faster(name, took["ours"], took["core"], least=SCORING_TARGET, unit="ms")


def _logits(network: FoldedNetwork, rows: Tensor) -> Tensor:
    return network.logits(rows.to(network.group_of.device)).cpu()


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
