"""Which rows share a batch, and in which order: a function of seed and epoch, so runs resume."""

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from training.runs import derived_seed


def generator_for(*parts: object) -> torch.Generator:
    """A generator of its own for one purpose."""
    return torch.Generator().manual_seed(derived_seed(*parts))


def shuffled(rows: int, size: int, generator: torch.Generator) -> list[Tensor]:
    """All rows once, in batches of `size`; a last batch of one joins the one before it.

    Ghost batch norm cannot normalise a single row.
    """
    batches = list(torch.split(torch.randperm(rows, generator=generator), size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def one_stay_each(subjects: Sequence[str], size: int, generator: torch.Generator) -> list[Tensor]:
    """Batches of `size` in which no patient occurs twice; what cannot fill one is left out.

    A stay that must wait goes into the next batch that has none of its patient.
    """
    waiting = deque(torch.randperm(len(subjects), generator=generator).tolist())
    size = min(size, len({*subjects}))
    batches = []
    while batch := _next_batch(waiting, subjects, size):
        batches.append(torch.tensor(batch))
    return batches


def _next_batch(waiting: deque[int], subjects: Sequence[str], size: int) -> list[int]:
    batch: list[int] = []
    taken: set[str] = set()
    aside: list[int] = []
    while waiting and len(batch) < size:
        row = waiting.popleft()
        if subjects[row] in taken:
            aside.append(row)
        else:
            batch.append(row)
            taken.add(subjects[row])
    waiting.extendleft(reversed(aside))
    return batch if len(batch) == size and size > 1 else []
