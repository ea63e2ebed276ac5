"""The trained members as one inference network: batch norm folded, all members in one pass.

Loaded from the weights that training saved, without pytorch_tabnet. A test holds the two to each
other. Shapes: S members, B rows, E embedded inputs, G attention groups.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor

from model.preprocessing import parts_of
from model.schema import Schema
from model.shape import TabNetConfig, attention_groups
from model.sparsemax import sparsemax

Weights = Mapping[str, Tensor]
_EPSILON = 1e-5  # of torch's BatchNorm1d
_CACHED_ROWS = 512
_HALF = float(torch.tensor(0.5, dtype=torch.float32).sqrt())  # pytorch_tabnet's, in any precision


@dataclass(frozen=True)
class Dense:
    """`weight` (S, in, out), `bias` (S, 1, out)."""

    weight: Tensor
    bias: Tensor

    def __call__(self, rows: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, rows, self.weight)

    def scaled(self, factor: float) -> "Dense":
        """The layer for rows that are to be multiplied by the factor first."""
        return Dense(self.weight * factor, self.bias)


@dataclass(frozen=True)
class Embedding:
    """FeatureEmbedding's parameters of all members, and where each column goes."""

    edges: Tensor
    weight: Tensor
    bias: Tensor
    levels: Tensor
    mask: Tensor
    numeric: Tensor
    levelled: Tensor
    offsets: Tensor
    order: Tensor
    bins: int

    def __call__(self, prepared: Tensor) -> Tensor:
        """(B, columns) with NaN -> (S, B, E)."""
        missing = prepared.isnan()
        filled = prepared.nan_to_num(0.0)
        embedded = self._numeric(filled) + self.bias.unsqueeze(1)
        if len(self.levelled):
            levels = self.levels[:, filled[:, self.levelled].long() + self.offsets]
            embedded = torch.cat((embedded, levels), dim=2)[:, :, self.order]
        return torch.where(missing.unsqueeze(-1), self.mask.unsqueeze(1), embedded).flatten(2)

    def _numeric(self, filled: Tensor) -> Tensor:
        """(B, columns) -> (S, B, numeric columns, width)."""
        cells = filled.index_select(1, self.numeric).unsqueeze(-1)
        if not self.bins:
            return cells * self.weight.transpose(1, 2)
        starts = self.edges[:, :-1]
        parts = ((cells - starts) / (self.edges[:, 1:] - starts)).clamp(0.0, 1.0)
        return torch.einsum("rcb,scbw->srcw", parts, self.weight)


@dataclass(frozen=True)
class FoldedNetwork:
    """`logits` is the whole way; `embed` and `from_embedded` are its halves, for attribution;
    `attended` is what its masks chose."""

    embed: Embedding
    first_scale: Tensor
    first_shift: Tensor
    splitter: tuple[Dense, ...]
    transformers: tuple[tuple[Dense, ...], ...]
    attention: tuple[Dense, ...]
    group_of: Tensor
    config: TabNetConfig
    widen: Tensor | None
    hidden: Dense
    last: Dense

    def logits(self, prepared: Tensor) -> Tensor:
        """(B, columns) -> (S, B). On a CPU so many rows at a time as its cache holds."""
        if len(prepared) <= _CACHED_ROWS or not prepared.is_cpu:
            return self.from_embedded(self.embed(prepared))
        return torch.cat([self.logits(rows) for rows in torch.split(prepared, _CACHED_ROWS)], dim=1)

    def from_embedded(self, embedded: Tensor) -> Tensor:
        """(S, B, E) -> (S, B)."""
        decided = reduce(torch.add, (decision for _, decision in self._steps(embedded)))
        rows = decided if self.widen is None else torch.bmm(decided, self.widen)
        return self.last(self.hidden(rows).relu())[..., 0]

    def attended(self, prepared: Tensor) -> Tensor:
        """(B, columns) -> (S, B, G): the masks of all steps, each as much as its step decided."""
        summed = prepared.new_zeros(1)
        for mask, decision in self._steps(self.embed(prepared)):
            summed = summed + mask * decision.sum(-1, keepdim=True)
        return summed

    def _steps(self, embedded: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Each step's mask over the groups (S, B, G) and its decision (S, B, n_d)."""
        parts, gamma = [self.config.n_d, self.config.n_a], self.config.gamma
        inputs = embedded * self.first_scale + self.first_shift
        _, attended = torch.split(self._transform(self.splitter, inputs), parts, dim=-1)
        prior: Tensor | None = None
        for attend, transformer in zip(self.attention, self.transformers, strict=True):
            wanted = attend(attended)
            mask = sparsemax(wanted if prior is None else wanted * prior)
            out = self._transform(transformer, self._spread(mask) * inputs)
            decision, attended = torch.split(out, parts, dim=-1)
            yield mask, decision.relu()
            prior = gamma - mask if prior is None else prior * (gamma - mask)

    def _spread(self, mask: Tensor) -> Tensor:
        """(S, B, G) -> (S, B, E): each group's weight to all of its inputs."""
        alone = mask.shape[-1] == len(self.group_of)
        return mask if alone else mask.index_select(-1, self.group_of)

    def _transform(self, layers: Sequence[Dense], rows: Tensor) -> Tensor:
        """GLU layers one after the other, each added to what came before but the first.

        The library multiplies each sum by sqrt(0.5); `_unscaled` has put that into the weights.
        """
        rows = torch.nn.functional.glu(layers[0](rows))
        for layer in layers[1:]:
            rows = torch.nn.functional.glu(layer(rows)) + rows
        return rows


def fold(schema: Schema, config: TabNetConfig, members: Sequence[Weights]) -> FoldedNetwork:
    """From each member's Classifier.state_dict(). Raises KeyError where a tensor is lacking, and
    RuntimeError, as torch does, where one has another shape."""
    steps = range(config.n_steps)
    start = "encoder.network"
    groups = attention_groups(schema, config)
    last = _HALF ** (config.n_shared + config.n_independent - 1)
    return FoldedNetwork(
        embed=_embedding(schema, config, members),
        first_scale=_stack(members, f"{start}.initial_bn.weight").unsqueeze(1)
        / (1.0 + _EPSILON) ** 0.5,
        first_shift=_stack(members, f"{start}.initial_bn.bias").unsqueeze(1),
        splitter=_transformer(members, f"{start}.initial_splitter", config),
        transformers=tuple(
            _transformer(members, f"{start}.feat_transformers.{step}", config) for step in steps
        ),
        attention=tuple(
            _normed(members, f"{start}.att_transformers.{step}").scaled(last) for step in steps
        ),
        group_of=groups.argmax(0),
        config=config,
        widen=None
        if config.n_d == config.output
        else _stack(members, "encoder.widen.weight").transpose(1, 2),
        hidden=_dense(members, "head.layers.1").scaled(last),
        last=_dense(members, "head.layers.4"),
    )


def _embedding(schema: Schema, config: TabNetConfig, members: Sequence[Weights]) -> Embedding:
    numeric = [i for i, column in enumerate(schema) if column.kind == "numeric"]
    levelled = [i for i, column in enumerate(schema) if column.kind != "numeric"]
    sizes = [len(schema.columns[i].levels) + 1 if schema.columns[i].levels else 2 for i in levelled]
    part = "encoder.embed"
    parts, width = parts_of(config.bins), config.embedding
    shapes = {
        "edges": (len(numeric), parts + 1),
        "weight": (len(numeric), parts, width),
        "bias": (len(numeric), width),
        "levels": (max(sum(sizes), 1), width),
        "mask": (len(schema), width),
    }
    for name, shape in shapes.items():  # a table too short would be noticed by one patient only
        if any(member[f"{part}.{name}"].shape != shape for member in members):
            raise RuntimeError(f"{part}.{name} has another shape")
    return Embedding(
        edges=members[0][f"{part}.edges"],
        weight=_stack(members, f"{part}.weight"),
        bias=_stack(members, f"{part}.bias"),
        levels=_stack(members, f"{part}.levels"),
        mask=_stack(members, f"{part}.mask"),
        numeric=torch.tensor(numeric, dtype=torch.long),
        levelled=torch.tensor(levelled, dtype=torch.long),
        offsets=torch.tensor([0, *sizes[:-1]], dtype=torch.long).cumsum(0)[: len(sizes)],
        order=torch.tensor(numeric + levelled).argsort(),
        bins=config.bins,
    )


def _transformer(members: Sequence[Weights], part: str, config: TabNetConfig) -> tuple[Dense, ...]:
    shared = [f"{part}.shared.glu_layers.{i}" for i in range(config.n_shared)]
    own = [f"{part}.specifics.glu_layers.{i}" for i in range(config.n_independent)]
    layers = [_normed(members, layer) for layer in (*shared, *own)]
    return tuple(_unscaled(layer, number) for number, layer in enumerate(layers))


def _unscaled(layer: Dense, number: int) -> Dense:
    """A GLU layer that takes and gives rows larger than the library's by as many sqrt(0.5) as came before:
    none before the first two. What is let through grows likewise, the gate must not."""
    before = _HALF ** max(number - 1, 0)
    through, gate = layer.weight.chunk(2, dim=-1)
    bias_through, bias_gate = layer.bias.chunk(2, dim=-1)
    weight = torch.cat((through, gate * before), dim=-1)
    return Dense(weight, torch.cat((bias_through / before, bias_gate), dim=-1))


def _normed(members: Sequence[Weights], part: str) -> Dense:
    """A linear layer and the batch norm after it, as one linear layer."""
    variance = _stack(members, f"{part}.bn.bn.running_var")
    scale = _stack(members, f"{part}.bn.bn.weight") / (variance + _EPSILON).sqrt()
    shift = _stack(members, f"{part}.bn.bn.bias")
    shift = shift - _stack(members, f"{part}.bn.bn.running_mean") * scale
    weight = _stack(members, f"{part}.fc.weight") * scale.unsqueeze(-1)
    return Dense(weight.transpose(1, 2).contiguous(), shift.unsqueeze(1))


def _dense(members: Sequence[Weights], part: str) -> Dense:
    weight = _stack(members, f"{part}.weight").transpose(1, 2).contiguous()
    return Dense(weight, _stack(members, f"{part}.bias").unsqueeze(1))


def _stack(members: Sequence[Weights], name: str) -> Tensor:
    return torch.stack([member[name] for member in members])
