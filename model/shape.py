"""The encoder's shape, known to training and to serving alike."""

from typing import Annotated, Literal

import msgspec
import torch
from torch import Tensor

from model.schema import Schema

_Positive = Annotated[int, msgspec.Meta(ge=1)]


class TabNetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The encoder's shape. `attention`: what one attention weight covers, a column or a concept.

    `attention_start`: the attention's first scale; near 0 every input is attended to alike at first.
    `bins`, `embedding`: see FeatureEmbedding. `input_dropout`: on embedded inputs, in training.
    `n_d`, `n_a`: widths of decision and attention parts; `gamma`: how freely a step may reuse
    inputs; `output`: width of the embedding (128 in the paper).
    """

    n_d: _Positive = 128
    n_a: _Positive = 128
    n_steps: _Positive = 3
    gamma: Annotated[float, msgspec.Meta(ge=1.0)] = 1.3
    n_independent: _Positive = 2
    n_shared: _Positive = 2
    virtual_batch_size: Annotated[int, msgspec.Meta(ge=2)] = 128
    momentum: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.02
    attention: Literal["column", "concept"] = "column"
    attention_start: Annotated[float, msgspec.Meta(gt=0.0)] = 1.0
    bins: Annotated[int, msgspec.Meta(ge=0)] = 0
    embedding: _Positive = 1
    input_dropout: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = 0.0
    output: _Positive = 128


def attention_groups(schema: Schema, config: TabNetConfig) -> Tensor:
    """(groups, columns x embedding): which embedded inputs one attention weight multiplies."""
    names = schema.names if config.attention == "column" else schema.concepts
    groups = torch.zeros(len(names), len(schema) * config.embedding)
    for index, column in enumerate(schema):
        of = column.name if config.attention == "column" else column.concept
        start = index * config.embedding
        groups[names.index(of), start : start + config.embedding] = 1.0
    return groups
