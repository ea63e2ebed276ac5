"""TabNet (Arik and Pfister 2019, arXiv 1908.07442) by pytorch_tabnet's own network modules, typed.

The one place that imports pytorch_tabnet. Its `fit`, `save_model` and `exec`-set attributes are
not used. Serving needs none of this: model/folded.py scores from the same weights.
"""

from collections.abc import Iterator

import msgspec
import torch
from pytorch_tabnet import tab_network
from torch import Tensor, nn

from model.embedding import FeatureEmbedding
from model.preprocessing import Preprocessing
from model.schema import Schema
from model.shape import TabNetConfig, attention_groups


class Encoded(msgspec.Struct, frozen=True):
    """`embedding` (rows, output); `steps` n_steps x (rows, n_d); `sparsity`: the masks' mean
    negative entropy, a scalar to be minimised."""

    embedding: Tensor
    steps: list[Tensor]
    sparsity: Tensor


class TabNetEncoder(nn.Module):
    """(rows, columns) prepared -> Encoded. The embedding is the sum of decision steps, brought to
    `output` by a linear layer where n_d differs from it.

    The library's initial batch norm keeps its first statistics (0, 1): inputs are standardised
    already, and what a batch looks like must not change what a value means.
    """

    def __init__(self, schema: Schema, preprocessing: Preprocessing, config: TabNetConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = FeatureEmbedding(schema, preprocessing, config.bins, config.embedding)
        self.dropout = nn.Dropout(config.input_dropout)
        self.network = tab_network.TabNetEncoder(
            input_dim=len(schema) * config.embedding,
            output_dim=config.output,
            n_d=config.n_d,
            n_a=config.n_a,
            n_steps=config.n_steps,
            gamma=config.gamma,
            n_independent=config.n_independent,
            n_shared=config.n_shared,
            virtual_batch_size=config.virtual_batch_size,
            momentum=config.momentum,
            group_attention_matrix=attention_groups(schema, config),
        )
        for attentive in self.network.att_transformers:
            nn.init.constant_(attentive.bn.bn.weight, config.attention_start)
        fits = config.n_d == config.output
        self.widen = nn.Identity() if fits else nn.Linear(config.n_d, config.output, bias=False)

    def train(self, mode: bool = True) -> "TabNetEncoder":
        """As nn.Module's, but the initial batch norm stays as it is."""
        super().train(mode)
        self.network.initial_bn.eval()
        return self

    def forward(self, prepared: Tensor) -> Encoded:
        steps, sparsity = self.network(self.dropout(self.embed(prepared)))
        return Encoded(self.widen(torch.stack(steps).sum(0)), steps, sparsity)

    def attention(self, prepared: Tensor) -> Tensor:
        """(rows, columns): how much each column was attended to, over all steps; rows sum to 1."""
        explained, _ = self.network.forward_masks(self.embed(prepared))
        by_column = explained.unflatten(1, (-1, self.config.embedding)).mean(-1)
        shares: Tensor = by_column / by_column.sum(1, keepdim=True).clamp_min(1e-12)
        return shares

    def feature_parts(self) -> Iterator[nn.Parameter]:
        """The embedding and feature-splitting layers, which fine-tuning may hold fixed.

        The shared blocks belong to every step: they are fixed with the splitter that they are in.
        """
        yield from self.embed.parameters()
        yield from self.network.initial_bn.parameters()
        yield from self.network.initial_splitter.parameters()

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        """The library's group matrix is no buffer: it must follow to another device or dtype."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.network.group_attention_matrix = fn(self.network.group_attention_matrix)
        return self


class TabNetDecoder(nn.Module):
    """The decision steps -> (rows, targets), by the library's decoder."""

    def __init__(self, targets: int, config: TabNetConfig) -> None:
        super().__init__()
        self.network = tab_network.TabNetDecoder(
            targets,
            n_d=config.n_d,
            n_steps=config.n_steps,
            virtual_batch_size=config.virtual_batch_size,
            momentum=config.momentum,
        )

    def forward(self, steps: list[Tensor]) -> Tensor:
        reconstructed: Tensor = self.network(steps)
        return reconstructed
