"""What TabNet's own masks chose for one row. Where a network looked, not which way it was moved.

Arik and Pfister 2019, arXiv 1908.07442, section 3.1: the masks of all steps, each weighted by what
its step gave to the decision. Contributions (attribution.py) are another thing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from model.folded import FoldedNetwork
from model.schema import Schema


@dataclass(frozen=True)
class Attention:
    """Two views of the same masks, averaged over the members; each adds up to 1.

    `by_column` is pytorch_tabnet's: a weight that covers several columns counts once for each.
    `by_concept` counts each weight once, so that a concept does not grow by its columns.
    """

    by_column: Mapping[str, float]
    by_concept: Mapping[str, float]


def attention(network: FoldedNetwork, prepared: Tensor, schema: Schema) -> Attention | None:
    """Of one row (1, columns); None where no step of any member decided anything."""
    with torch.inference_mode():
        groups = network.attended(prepared)[:, 0].double()
    of_column = network.group_of[:: network.config.embedding]
    columns, chosen = _mean_share(groups[:, of_column]), _mean_share(groups)
    if columns is None or chosen is None:
        return None
    by_concept = dict.fromkeys(schema.concepts, 0.0)
    first = {int(group): index for index, group in reversed(list(enumerate(of_column)))}
    for group, share in enumerate(chosen.tolist()):
        by_concept[schema.columns[first[group]].concept] += share
    return Attention(dict(zip(schema.names, columns.tolist(), strict=True)), by_concept)


def _mean_share(weights: Tensor) -> Tensor | None:
    """(members, any) -> (any,): each member's weights brought to 1, then averaged; a member that
    decided nothing has no say."""
    sums = weights.sum(1, keepdim=True)
    deciding = sums[:, 0] > 0.0
    if not bool(deciding.any()):
        return None
    return (weights[deciding] / sums[deciding]).mean(0)
