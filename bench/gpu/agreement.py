"""The device beside the CPU: the same numbers, within what the page of results says.

Called by the runner and by tests marked `gpu`; each says how far apart the two are.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional
from transformers import LongformerModel

from bench.gpu.drawn import network_on, prepared
from bench.text import batch, longformer, ours, theirs
from model.contrastive import info_nce
from model.text import TextEncoder

CPU: Final = torch.device("cpu")
LENGTHS = (256, 200, 131, 2, 1)
PROBABILITY = 1e-4
FLOAT32 = 1e-4
COSINE = 1e-2
"""1 - cosine: what bfloat16 products may turn a [CLS] by."""


@dataclass(frozen=True)
class Agreement:
    """`apart` at most, and the most that is allowed."""

    name: str
    apart: float
    within: float

    @property
    def holds(self) -> bool:
        """False also where `apart` is no number."""
        return self.apart <= self.within


def probabilities(device: torch.device) -> Agreement:
    """Of all members of the demonstration."""
    rows = prepared(512)
    here, there = (network_on(each).logits(rows.to(each)).sigmoid() for each in (CPU, device))
    return Agreement("probabilities, float32", _apart(here, there), PROBABILITY)


def attention(device: torch.device) -> Agreement:
    """The network's masks over its inputs."""
    rows = prepared(512)
    here, there = (network_on(each).attended(rows.to(each)) for each in (CPU, device))
    return Agreement("attention masks, float32", _relative(there, here), FLOAT32)


def longformer_states(device: torch.device) -> Agreement:
    """Every token's, by our way on both."""
    trunk, (ids, seen) = text_model()
    here = ours(trunk, ids, seen)[seen]
    there = ours(trunk.to(device), ids.to(device), seen.to(device))[seen.to(device)]
    return Agreement("Longformer's states, float32", _apart(here, there), FLOAT32)


def longformer_beside_transformers(device: torch.device) -> Agreement:
    """Every token's, ours and transformers' own on the device."""
    trunk, given = text_model()
    ids, seen = (each.to(device) for each in given)
    trunk = trunk.to(device)
    apart = _apart(ours(trunk, ids, seen)[seen], theirs(trunk, ids, seen)[seen])
    return Agreement("Longformer beside transformers' on the device, float32", apart, FLOAT32)


def longformer_gradients(device: torch.device) -> Agreement:
    """Of the last layer's weights."""
    trunk, given = text_model()
    here, there = (
        _gradients(copy.deepcopy(trunk).to(each), *(part.to(each) for part in given))
        for each in (CPU, device)
    )
    return Agreement("Longformer's gradients, float32", _relative(there, here), FLOAT32)


def text_tower(device: torch.device) -> Agreement:
    """[CLS] with bfloat16 products where the device is a GPU."""
    trunk, given = text_model()
    here = TextEncoder(trunk, 1)(chunks_on(*given, CPU))
    there = TextEncoder(trunk.to(device), 1)(chunks_on(*given, device))
    return Agreement("[CLS], bfloat16 beside float32, 1 - cosine", _turned(here, there), COSINE)


def kept_frozen_outputs(device: torch.device) -> Agreement:
    """[CLS] from what the frozen layers gave each chunk alone, and from all at once."""
    trunk, given = text_model()
    tower, chunks = TextEncoder(trunk.to(device), 1), chunks_on(*given, device)
    kept = [tower.prefix([chunk])[0] for chunk in chunks]
    return Agreement(
        "[CLS] from kept frozen outputs, bfloat16, 1 - cosine",
        _turned(tower(chunks), tower(chunks, kept)),
        COSINE,
    )


def contrastive_loss(device: torch.device) -> Agreement:
    """The loss is in float32 on both."""
    drawn = torch.randn(2, 256, 128, generator=torch.Generator().manual_seed(4))
    records, texts = functional.normalize(drawn, dim=-1)
    scale = torch.tensor(100.0)
    parts = records, texts, scale
    here, there = (info_nce(*(part.to(each) for part in parts)) for each in (CPU, device))
    return Agreement("contrastive loss, float32", _relative(there, here), FLOAT32)


AGREEMENTS: Final[tuple[Callable[[torch.device], Agreement], ...]] = (
    probabilities,
    attention,
    longformer_states,
    longformer_beside_transformers,
    longformer_gradients,
    text_tower,
    kept_frozen_outputs,
    contrastive_loss,
)


def text_model() -> tuple[LongformerModel, tuple[Tensor, Tensor]]:
    """Two layers, 64 wide, and a padded batch: ids, and which are no padding."""
    torch.manual_seed(0)
    return longformer(layers=2, width=64, heads=4), batch(LENGTHS)


def _gradients(trunk: LongformerModel, ids: Tensor, seen: Tensor) -> Tensor:
    last = trunk.encoder.layer[-1].requires_grad_(True)
    weights = torch.linspace(-1, 1, trunk.config.hidden_size, device=ids.device)
    (ours(trunk, ids, seen)[:, 0] * weights).sum().backward()
    return torch.cat([each.grad.flatten() for each in last.parameters()])


def chunks_on(ids: Tensor, seen: Tensor, device: torch.device) -> list[Tensor]:
    """Without padding, as TextEncoder takes them."""
    return [row[real].to(device) for row, real in zip(ids, seen, strict=True)]


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one.detach().cpu().double() - other.detach().cpu().double()).abs().max())


def _relative(found: Tensor, expected: Tensor) -> float:
    return _apart(found, expected) / float(expected.detach().abs().max())


def _turned(one: Tensor, other: Tensor) -> float:
    pair = (each.detach().cpu().double() for each in (one, other))
    return float(1.0 - functional.cosine_similarity(*pair, dim=-1).min())
