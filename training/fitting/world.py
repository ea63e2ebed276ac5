"""One process or several that train one model together (torchrun); alone, everything here is idle.

Each process takes a contiguous part of every batch. Sums of gradients, batch-norm statistics and
gathered embeddings make the result that of one process with the whole batch.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

_PATIENCE = timedelta(days=7)  # the first process builds cohorts while the others wait


@dataclass(frozen=True)
class World:
    """`rank` of `size` processes."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """The process that writes."""
        return self.rank == 0

    def share(self, rows: Tensor) -> Tensor:
        """This process's contiguous part of a batch (dimension 0); every process gets one."""
        return rows.tensor_split(self.size)[self.rank]

    def total(self, number: Tensor) -> Tensor:
        """The sum over processes; no gradient."""
        summed = number.detach().clone()
        if self.size > 1:
            distributed.all_reduce(summed)
        return summed

    def gather(self, rows: Tensor) -> Tensor:
        """All processes' rows in order of rank, parts of unequal length allowed; no gradient."""
        if self.size == 1:
            return rows.detach()
        counts = torch.zeros(self.size, dtype=torch.long, device=rows.device)
        counts[self.rank] = len(rows)
        distributed.all_reduce(counts)
        longest = int(counts.max())
        padded = rows.new_zeros((longest, *rows.shape[1:]))
        padded[: len(rows)] = rows.detach()
        parts = [torch.empty_like(padded) for _ in range(self.size)]
        distributed.all_gather(parts, padded)
        return torch.cat([part[: int(n)] for part, n in zip(parts, counts, strict=True)])

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Each gradient becomes the sum over processes; a weight that no process used has none,
        so that the optimiser leaves it alone."""
        if self.size == 1:
            return
        trained = [each for each in parameters if each.requires_grad]
        used = torch.tensor([float(each.grad is not None) for each in trained])
        distributed.all_reduce(used)
        for parameter in (each for each, count in zip(trained, used, strict=True) if count):
            gradient = parameter.grad
            parameter.grad = torch.zeros_like(parameter) if gradient is None else gradient
            distributed.all_reduce(parameter.grad)

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            distributed.barrier()

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process goes alone, then the others: they find what it wrote."""
        if not self.first:
            self.barrier()
        yield
        if self.first:
            self.barrier()

    @contextmanager
    def shared_statistics(self, module: nn.Module) -> Iterator[None]:
        """Batch norms end as if one process had seen all parts one after the other.

        A batch norm's running mean after k batches is (1 - m)^k of the old one plus what the
        batches added: those additions are gathered and applied in order of rank.
        """
        if self.size == 1:
            yield
            return
        norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm1d)]
        before = [(n.running_mean.clone(), n.running_var.clone(), _seen(n)) for n in norms]  # type: ignore[union-attr]
        yield
        for norm, (mean, variance, seen) in zip(norms, before, strict=True):
            kept = (1.0 - (norm.momentum or 0.0)) ** (_seen(norm) - seen)
            for buffer, old in ((norm.running_mean, mean), (norm.running_var, variance)):
                assert buffer is not None  # noqa: S101 - TabNet's norms track statistics
                self._compose(buffer, old, kept)

    def _compose(self, buffer: Tensor, old: Tensor, kept: float) -> None:
        row = torch.cat((buffer - kept * old, buffer.new_tensor([kept])))
        for part in self.gather(row.unsqueeze(0)):
            old = part[-1] * old + part[:-1]
        buffer.copy_(old)


ALONE = World()


def join_world() -> World:
    """From torchrun's environment; alone where there is none."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        distributed.init_process_group(backend, timeout=_PATIENCE)
    return World(distributed.get_rank(), size)


def _seen(norm: nn.BatchNorm1d) -> int:
    return int(norm.num_batches_tracked or 0)
