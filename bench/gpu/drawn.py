"""The demonstration's network on a device, with rows drawn for it."""

from pathlib import Path

import msgspec
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.folded import FoldedNetwork, fold
from model.schema import Column, Schema
from model.trained import NETWORK, SCHEMA, WEIGHTS, NetworkFile

BUNDLE = Path(__file__).parents[2] / "bundles" / "demo"


def network_on(device: torch.device) -> FoldedNetwork:
    """All members, folded there: what folding makes itself lies on the device too."""
    shape = msgspec.json.decode((BUNDLE / NETWORK).read_bytes(), type=NetworkFile)
    tensors = load_file(BUNDLE / WEIGHTS, device=str(device))
    members = [
        {name.split(".", 1)[1]: tensors[name] for name in tensors if name.startswith(f"{i}.")}
        for i in range(shape.members)
    ]
    with device:
        return fold(schema(), shape.encoder, members)


def schema() -> Schema:
    """The demonstration's columns."""
    return msgspec.json.decode((BUNDLE / SCHEMA).read_bytes(), type=Schema)


def prepared(rows: int) -> Tensor:
    """(rows, columns) float32 on the CPU, one cell in five missing."""
    drawn = torch.Generator().manual_seed(3)
    cells = torch.stack([_cells(column, rows, drawn) for column in schema()], dim=1)
    missing = torch.rand(cells.shape, generator=drawn) < 0.2
    return cells.masked_fill(missing, float("nan"))


def _cells(column: Column, rows: int, drawn: torch.Generator) -> Tensor:
    if column.kind == "numeric":
        return torch.randn(rows, generator=drawn)
    levels = len(column.levels) + 1 if column.levels else 2
    return torch.randint(levels, (rows,), generator=drawn).float()
