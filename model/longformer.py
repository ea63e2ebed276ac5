"""A Longformer on chunks that fit its window: plain attention with two sets of projections.

Exact, on transformers' own modules: where every token sees every other, the sliding window is
scaled_dot_product_attention, and only [CLS], which is global, has projections of its own. So no
chunk is padded to the window. Beltagy, Peters and Cohan 2020, arXiv 2004.05150.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import LongformerModel
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention


def fits(trunk: nn.Module, tokens: int) -> bool:
    """Whether this is a Longformer in whose every layer so many tokens all see each other: [CLS]
    as it is global, the others within half a window to each side."""
    if not isinstance(trunk, LongformerModel):
        return False
    return tokens <= min(trunk.config.attention_window) // 2 + 2  # type: ignore[arg-type]


def through(layers: Iterable[nn.Module], states: Tensor, seen: Tensor) -> Tensor:
    """(chunks, tokens, width) as these layers of the Longformer leave them, [CLS] first and global.

    seen (chunks, tokens): False where a chunk is padded; what comes out there means nothing.
    """
    for layer in layers:
        attended = _attended(layer.attention.self, states, seen)  # type: ignore[union-attr,arg-type]
        states = layer.ff_chunk(layer.attention.output(attended, states))  # type: ignore[union-attr,operator]
    return states


def _attended(own: LongformerSelfAttention, states: Tensor, seen: Tensor) -> Tensor:
    """Every token to every token, then [CLS] anew by the global projections.

    The others see [CLS] by its local key and value, as they see any token.
    """
    local = own.query(states), own.key(states), own.value(states)
    whole = own.query_global(states[:, :1]), own.key_global(states), own.value_global(states)
    around, cls = (_attention(*each, heads=own.num_heads, seen=seen) for each in (local, whole))
    return torch.cat((cls, around[:, 1:]), dim=1)


def _attention(query: Tensor, key: Tensor, value: Tensor, *, heads: int, seen: Tensor) -> Tensor:
    """(chunks, queries, width)."""
    query, key, value = (
        each.view(*each.shape[:2], heads, -1).transpose(1, 2) for each in (query, key, value)
    )
    found = scaled_dot_product_attention(query, key, value, attn_mask=seen[:, None, None])
    return found.transpose(1, 2).flatten(2)
