"""`python -m bench.pretraining`: an epoch of masked pretraining beside `TabNetPretrainer.fit`, on one CPU thread.

One encoder, one table, both from the host's memory to trained weights; ours writes its checkpoint too. The target
is stated for a GPU: `bench/gpu.sh` measures the same two there.
"""

import time

import torch

from bench.gpu.pretraining import COLUMNS, CONFIG, RATIO, library, ours
from bench.interleaved import shortest
from bench.reporting import report, told

STAYS, BATCH, ROUNDS = 4096, 1024, 2


def main() -> None:
    """Measure, print, write."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    table = torch.randn(STAYS, COLUMNS, generator=torch.Generator().manual_seed(5))
    ways = {
        "ours": lambda: ours(table, device, BATCH),
        "library": lambda: library(table, device, BATCH),
    }
    took = shortest(ways, rounds=ROUNDS, clock=time.process_time)
    conditions = {
        "network": f"n_d {CONFIG.n_d}, n_a {CONFIG.n_a}, {CONFIG.n_steps} steps, {COLUMNS} columns",
        "stays": STAYS,
        "batch": BATCH,
        "masked": RATIO,
        "threads": 1,
        "torch": torch.__version__,
        "time": "CPU time, the shortest of the rounds",
    }
    row = told("masked pretraining, an epoch, CPU", took["ours"], took["library"], unit="ms")
    report("pretraining", [row], conditions, "Masked pretraining on one CPU thread")


if __name__ == "__main__":
    main()
